"""A person reads in every message what fell, how far, since when, and how sure that is."""

from datetime import timedelta
from uuid import UUID

import pytest

from streams.alerts.delivery.channel import Message
from streams.alerts.delivery.letter import LISTED, letter_of
from streams.alerts.delivery.links import link_to
from streams.alerts.delivery.words import clean, markdown, plain, words_of
from streams.alerts.transition import Evidence, Kind, Step, Transition
from tests.fakes.alerts import NOON, PIPELINE, TENANT, evidence, storm, transition

DASHBOARD = "https://funnels.example"


def message(*transitions: Transition) -> Message:
    return Message(transitions[0].event_id, transitions, 0, NOON)


def lines(of: Transition) -> dict[str, str]:
    return {line.label: line.text for line in words_of(of, link_to(DASHBOARD, of)).lines}


def test_a_fired_alert_says_all_that_is_known() -> None:
    assert words_of(transition(), None).headline == "Conversion Qualified -> Demo of pipeline Sales fell"
    assert lines(transition()) == {
        "Observed": "12 of 200 converted (6.0 %), expected 41 (31 to 52, 20.6 %)",
        "Window": "day 2026-11-02 00:00 UTC to 2026-11-03 00:00 UTC, seen at the age of 14 h",
        "Since": "2026-11-02 12:00 UTC",
        "How sure": "odds of 4400 to 1 for a fall by 30.0 % or more; false alarms at most 1 per pipeline per month",
        "Data": "proven, complete up to 0/16B3748",
        "Tenant": "ACME",
        "Rule": "conversion drops, warning",
        "Runbook": "https://wiki.example/funnel",
        "Details": f"{DASHBOARD}/?tenant={TENANT}&pipeline={PIPELINE}&window=day&at=2026-11-02T00%3A00%3A00%2B00%3A00",
    }


def test_a_closed_window_is_told_with_its_revision() -> None:
    told = lines(
        transition("retracted", run_id=UUID(int=1), evidence=evidence(revision=2, reason="backdate"))
    )
    assert told["Window"].endswith("2026-11-03 00:00 UTC, closed")
    assert told["Data"] == "revision 2, proven, complete up to 0/16B3748"
    assert told["Reason"] == "backdate"


@pytest.mark.parametrize(
    ("kind", "step", "headline"),
    [
        ("drop", "resolved", "Conversion Qualified -> Demo of pipeline Sales has recovered"),
        (
            "drop",
            "retracted",
            "Alert taken back: conversion Qualified -> Demo of pipeline Sales is as expected after a correction",
        ),
        ("drop", "held", "Alert on hold: no verdict on conversion Qualified -> Demo of pipeline Sales"),
        ("drop", "released", "Hold over: verdicts on conversion Qualified -> Demo of pipeline Sales again"),
        ("drop", "invalid", 'Rule "conversion drops" cannot be applied'),
        ("traffic", "fired", "The number of deals that enter Qualified of pipeline Sales fell"),
        ("traffic", "resolved", "The number of deals that enter Qualified of pipeline Sales has recovered"),
        ("below", "fired", "Conversion Qualified -> Demo of pipeline Sales is below 20.6 %"),
        ("below", "resolved", "Conversion Qualified -> Demo of pipeline Sales is above the bound again"),
        ("health", "fired", "funnelproof: conversion drops"),
        ("health", "resolved", "funnelproof: conversion drops: over"),
    ],
)
def test_every_step_of_every_kind_has_a_headline(kind: Kind, step: Step, headline: str) -> None:
    assert words_of(transition(step, kind=kind), None).headline == headline


def test_a_thing_without_a_name_is_told_by_its_identifier() -> None:
    nameless = transition(evidence=Evidence(from_stage=" \u200b\n", entered=3))
    headline = words_of(nameless, None).headline
    assert headline == (
        f"Conversion {nameless.from_stage_id} -> {nameless.to_stage_id} of pipeline {nameless.pipeline_id} fell"
    )
    assert lines(nameless)["Observed"] == "3 entered"
    assert lines(nameless)["Tenant"] == str(TENANT)


def test_small_numbers_keep_a_digit_and_short_ages_their_minutes() -> None:
    told = lines(transition(evidence=evidence(expected=4.25, low=1.0, high=9.96, age=timedelta(minutes=65))))
    assert "expected 4.2 (1 to 10, 20.6 %)" in told["Observed"]
    assert told["Window"].endswith("seen at the age of 1 h 5 min")


def test_a_name_is_one_visible_line_of_bounded_length() -> None:
    assert clean("De\x00mo\r\n\u202eand\u2028 more\t!") == "De mo and more !"
    assert clean("x" * 100) == "x" * 79 + "…"


def test_a_name_calls_nobody_and_formats_nothing() -> None:
    assert plain("@channel <!here> <@U1> <b>") == "@\u200bchannel <\u200b!here> <\u200b@\u200bU1> <b>"
    assert markdown("*a* [b](c) `d` @all") == r"\*a\* \[b\]\(c\) \`d\` \@" + "\u200ball"
    letter = letter_of(message(transition(evidence=evidence(to_stage="**Demo** @here"))), None)
    assert r"\*\*Demo\*\*" in letter.title_in_markdown
    assert "@here" not in letter.title + letter.body + letter.title_in_markdown + letter.body_in_markdown


def test_a_letter_has_a_line_for_each_thing_and_leaves_addresses_whole() -> None:
    letter = letter_of(message(transition()), DASHBOARD)
    assert letter.title == "Conversion Qualified -> Demo of pipeline Sales fell"
    assert (
        letter.body.splitlines()[0] == "Observed: 12 of 200 converted (6.0 %), expected 41 (31 to 52, 20.6 %)"
    )
    assert "- **Runbook**: https://wiki.example/funnel" in letter.body_in_markdown.splitlines()
    assert letter.tone == "failure"


def test_a_storm_is_a_list_of_bounded_length() -> None:
    letter = letter_of(message(*storm(LISTED + 5)), DASHBOARD)
    body = letter.body.splitlines()
    assert letter.title == f"{LISTED + 5} alerts of tenant ACME"
    assert body[0] == (
        "Conversion Qualified -\u200b> Demo of pipeline Sales fell: ".replace("\u200b", "")
        + "12 of 200 converted (6.0 %), expected 41 (31 to 52, 20.6 %)"
    )
    assert body[LISTED:] == ["And: 5 more", f"Details: {DASHBOARD}/alerts"]


def test_a_list_has_the_tone_of_its_gravest_alert() -> None:
    first, second = storm(2)
    resolved = transition("resolved", 2)
    assert letter_of(message(first, resolved), None).tone == "failure"
    assert letter_of(message(resolved, transition("released", 3)), None).tone == "success"
    assert letter_of(message(resolved, transition("held", 3), second), None).tone == "failure"


def test_an_alert_about_funnelproof_itself_links_to_the_operations() -> None:
    health = transition(kind="health", pipeline_id=None, tenant_id=None)
    assert link_to(DASHBOARD, health) == f"{DASHBOARD}/operations"
    assert link_to(None, health) is None
