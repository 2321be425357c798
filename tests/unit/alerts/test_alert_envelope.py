"""Programs read the same from every channel: CloudEvents as the schema says, signatures as Standard Webhooks says."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from streams.alerts.delivery.alertmanager import STAYS_ON, alerts_of
from streams.alerts.delivery.envelope import Envelopes
from streams.alerts.delivery.webhook import Webhook, key_of, signature
from streams.alerts.transition import Evidence, Step, Transition, alert_id_of
from streams.backoff import Backoff
from streams.resources import schema
from tests.fakes.alerts import NOON, PIPELINE, STAGES, TENANT, evidence, transition

FORMATS = jsonschema.FormatChecker(["uuid"])


def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


FORMATS.checks("date-time", ValueError)(_is_instant)
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(schema("events/alerts.schema.json")), format_checker=FORMATS
)
ENVELOPES = Envelopes("funnelproof", "https://funnels.example")
STEPS: tuple[Step, ...] = ("fired", "resolved", "retracted", "held", "released", "invalid")


def event(of: Transition) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ENVELOPES.one(of))
    return found


@pytest.mark.parametrize("step", STEPS)
def test_an_event_is_as_its_schema_says(step: Step) -> None:
    VALIDATOR.validate(event(transition(step, run_id=UUID(int=1), evidence=evidence(revision=3))))


def test_an_event_without_numbers_and_names_is_as_its_schema_says() -> None:
    bare = Transition(
        alert_id=UUID(int=1),
        number=1,
        rule="no proof",
        kind="health",
        step="fired",
        at=NOON,
        decided_at=NOON,
        severity="critical",
        evidence=Evidence(),
    )
    VALIDATOR.validate(event(bare))
    assert event(bare)["data"]["summary"] == "funnelproof: no proof"


def test_an_event_says_all_that_the_transition_knows() -> None:
    told = event(transition())
    data = told["data"]
    assert (told["specversion"], told["type"]) == ("1.0", "funnelproof.alert.v1")
    assert told["source"] == "urn:funnelproof:funnelproof"
    assert told["subject"] == data["alert_id"]
    assert (data["transition"], data["entered_count"], data["converted_count"]) == ("fired", 200, 12)
    assert (data["expected_count"], data["expected_low"], data["expected_high"]) == (41.2, 31, 52)
    assert (data["odds"], data["window_age_seconds"]) == (4400, 14 * 3600)
    assert data["link"].startswith("https://funnels.example/?tenant=")


def test_the_schema_refuses_what_is_not_an_event() -> None:
    right = event(transition())
    for wrong in (
        {"specversion": "0.3"},
        {"id": "7"},
        {"time": "yesterday"},
        {"more": 1},
        {"data": {**right["data"], "transition": "exploded"}},
        {"data": {**right["data"], "entered_count": -1}},
        {"data": {**right["data"], "more": 1}},
        {"data": {key: value for key, value in right["data"].items() if key != "odds"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate({**right, **wrong})


def test_the_identifier_of_a_transition_depends_on_alert_and_number_only() -> None:
    first = transition()
    assert first.event_id == transition("retracted", decided_at=NOON + timedelta(days=1)).event_id
    assert first.event_id != transition(number=2).event_id
    assert first.event_id != transition(pipeline=UUID(int=3)).event_id


def test_an_alert_is_one_rule_over_one_pair_in_one_kind_of_window() -> None:
    ids = {
        alert_id_of(rule, window, TENANT, PIPELINE, *stages)
        for rule in ("a", "b")
        for window in ("day", None)
        for stages in (STAGES, (STAGES[0], None), (None, STAGES[0]), STAGES[::-1])
    }
    assert len(ids) == 16


@pytest.mark.parametrize(
    "secret", ["whsec_" + base64.b64encode(b"k" * 24).decode(), "a secret in plain words"]
)
def test_the_reference_implementation_accepts_a_signature(secret: str) -> None:
    at, body = int(datetime.now(UTC).timestamp()), ENVELOPES.one(transition())
    headers = {"webhook-id": "7", "webhook-timestamp": str(at)}
    signed = {**headers, "webhook-signature": signature(key_of(secret), "7", at, body)}
    verifier = Verifier(key_of(secret))
    assert verifier.verify(body, signed) == json.loads(body)
    for wrong in ({"webhook-id": "8"}, {"webhook-timestamp": str(at - 1)}):
        with pytest.raises(WebhookVerificationError):
            verifier.verify(body, {**signed, **wrong})


def test_a_secret_without_a_key_is_refused_and_not_shown() -> None:
    for secret in ("whsec_", "whsec_hunter2!", ""):
        with pytest.raises(ValueError, match="is no secret") as refused:
            Webhook("hook", "http://127.0.0.1:1/x", [secret], ENVELOPES)
        assert "hunter2" not in str(refused.value)


def test_the_identity_of_an_alert_in_alertmanager_does_not_change_with_its_numbers() -> None:
    (before,) = alerts_of(transition(), NOON, "funnelproof", None)
    changed = transition(
        number=3, evidence=evidence(converted=2, odds=9.0, tenant="renamed"), source_lsn="0/2"
    )
    (after,) = alerts_of(changed, NOON, "funnelproof", None)
    assert (
        before["labels"]
        == after["labels"]
        == {
            "alertname": "FunnelproofConversionDrop",
            "funnelproof": "funnelproof",
            "rule": "conversion drops",
            "severity": "warning",
            "tenant": str(TENANT),
            "pipeline": str(PIPELINE),
            "from_stage": str(STAGES[0]),
            "to_stage": str(STAGES[1]),
            "window": "day",
        }
    )
    assert before["annotations"] != after["annotations"]


def test_an_alert_that_is_on_ends_in_the_future_and_one_that_is_over_in_the_past() -> None:
    now = NOON + timedelta(hours=1)
    for step, names in {
        "fired": ["FunnelproofConversionDrop"],
        "held": ["FunnelproofAlertHeld"],
        "invalid": ["FunnelproofRuleInvalid"],
    }.items():
        alerts = list(alerts_of(transition(step), now, "x", None))  # type: ignore[arg-type]  # a text
        assert [alert["labels"]["alertname"] for alert in alerts] == names  # type: ignore[index]  # JSON
        assert {alert["endsAt"] for alert in alerts} == {now + STAYS_ON}
    for step, number in {"resolved": 1, "retracted": 1, "released": 2}.items():
        alerts = list(alerts_of(transition(step), now, "x", None))  # type: ignore[arg-type]  # a text
        assert [alert["endsAt"] for alert in alerts] == [NOON + timedelta(seconds=1)] * number


def test_a_source_whose_clock_is_ahead_makes_no_alert_that_ends_before_it_starts() -> None:
    ahead = transition(
        "resolved", at=NOON + timedelta(hours=3), evidence=evidence(since=NOON + timedelta(hours=2))
    )
    (alert,) = alerts_of(ahead, NOON, "x", None)
    assert alert["startsAt"] == alert["endsAt"]


def test_pauses_double_up_to_the_longest_and_differ_by_chance() -> None:
    longest = Backoff(chance=lambda: 0.0)
    assert [longest.pause(failures).total_seconds() for failures in (1, 2, 3, 9, 10, 10_000)] == [
        1,
        2,
        4,
        256,
        300,
        300,
    ]
    assert Backoff(chance=lambda: 1.0).pause(10).total_seconds() == 150
    assert len({Backoff().pause(5) for _ in range(20)}) > 10
