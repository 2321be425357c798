"""A real Alertmanager shows what is on, through restarts, and tells people of each beginning and each end once."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.alerts.delivery.alertmanager import Alertmanager
from streams.alerts.delivery.backlog import Backlog
from streams.alerts.delivery.repeating import Repeating
from streams.alerts.transition import Step, Transition
from streams.errors import one_line
from tests.fakes.alerts import PIPELINE, TENANT, evidence, storm, transition
from tests.integration.alerts.alertmanager import RealAlertmanager, alertmanager
from tests.integration.alerts.conftest import Outbox, real_time, running, soon
from tests.integration.alerts.web import Site
from tests.unit.docs.pages import ROOT

pytestmark = pytest.mark.timeout(120)
NAME = "on-call"
DROP = "FunnelproofConversionDrop"


@pytest.fixture
async def real(tmp_path: Path, site: Site) -> AsyncIterator[RealAlertmanager]:
    """One that tells `site` without delay, with the inhibition that the documentation gives."""
    page = (ROOT / "docs/alert-delivery.md").read_text("utf-8")
    inhibition = page.split("```yaml\n")[1].split("```")[0]
    config = f"""
route:
  receiver: site
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: site
  webhook_configs:
  - url: {site.url}
    send_resolved: true
{inhibition}
"""
    async with alertmanager(tmp_path, config) as running_one:
        yield running_one


def channel(real: RealAlertmanager) -> Alertmanager:
    return Alertmanager(NAME, real.url, "funnelproof", "https://funnels.example")


def told(site: Site) -> list[tuple[str, str]]:
    """What people were told: the status and the name of each alert."""
    alerts: list[dict[str, Any]] = [alert for each in site.taken for alert in json.loads(each.body)["alerts"]]
    return [(alert["status"], alert["labels"]["alertname"]) for alert in alerts]


def now_transition(step: Step, number: int = 1, **given: Any) -> Transition:  # noqa: ANN401 - any field
    now = real_time()
    return transition(step, number, at=now, decided_at=now, evidence=evidence(since=now), **given)


async def send(outbox: Outbox, real: RealAlertmanager, *transitions: Transition) -> None:
    await outbox.put(*transitions, to=[NAME])
    outbox.clock.at = real_time()
    await outbox.sender(channel(real)).send_waiting()
    assert await outbox.waiting(NAME) == 0


async def test_an_alert_fires_once_and_is_resolved_once(
    outbox: Outbox, real: RealAlertmanager, site: Site
) -> None:
    await send(outbox, real, now_transition("fired"))
    alert = (await real.alerts())[DROP]
    assert alert["labels"]["pipeline"] == str(PIPELINE)
    assert alert["annotations"]["summary"] == "Conversion Qualified -> Demo of pipeline Sales fell"
    assert alert["annotations"]["converted"] == "12"
    assert alert["generatorURL"].startswith("https://funnels.example/?tenant=")
    await soon(lambda: _is_told(site, 1))
    for _ in range(3):
        assert await Repeating(outbox.pool, channel(real), real_time).repeat()
    await send(outbox, real, now_transition("resolved", 2))
    assert await real.alerts() == {}
    await soon(lambda: _is_told(site, 2))
    for _ in range(3):
        assert await Repeating(outbox.pool, channel(real), real_time).repeat()
    assert await real.alerts() == {}
    assert told(site) == [("firing", DROP), ("resolved", DROP)]


async def _is_told(site: Site, number: int) -> bool:
    return len(told(site)) == number


async def test_repetitions_keep_an_alert_on_and_need_no_memory(
    outbox: Outbox, real: RealAlertmanager, site: Site
) -> None:
    await send(outbox, real, now_transition("fired"))
    ends = [_end((await real.alerts())[DROP])]
    assert ends[0] - real_time() > timedelta(minutes=3, seconds=50)
    for _ in range(2):  # each a program of its own
        async with running(Repeating(outbox.pool, channel(real), real_time).run):
            await soon(lambda: _ends_after(real, ends[-1]))
        ends.append(_end((await real.alerts())[DROP]))
    assert ends == sorted(set(ends))
    assert told(site) in ([], [("firing", DROP)])


def _end(alert: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(alert["endsAt"]).astimezone(UTC)


async def _ends_after(real: RealAlertmanager, moment: datetime) -> bool:
    return _end((await real.alerts())[DROP]) > moment


async def test_an_alertmanager_that_was_made_anew_learns_what_is_on_and_nothing_of_what_is_over(
    outbox: Outbox, real: RealAlertmanager, tmp_path: Path
) -> None:
    first, second = storm(2)
    await send(outbox, real, first, second, now_transition("resolved", 2, pipeline=second.pipeline_id))
    (tmp_path / "anew").mkdir()
    config = (tmp_path / "alertmanager.yml").read_text("utf-8")
    async with alertmanager(tmp_path / "anew", config) as anew:
        assert await anew.alerts() == {}
        repeating = Repeating(outbox.pool, channel(anew), real_time)
        assert await repeating.repeat()
        assert repeating.repeated == 2
        assert [alert["labels"]["pipeline"] for alert in (await anew.alerts()).values()] == [
            str(first.pipeline_id)
        ]


async def test_a_retracted_alert_is_off_and_its_end_is_repeated_for_a_quarter_of_an_hour(
    outbox: Outbox, real: RealAlertmanager
) -> None:
    await send(outbox, real, now_transition("fired"), now_transition("retracted", 2))
    assert await real.alerts() == {}
    repeating = Repeating(outbox.pool, channel(real), outbox.clock)
    for minutes, repeated in ((0, 1), (14, 1), (2, 0)):
        outbox.clock.move(timedelta(minutes=minutes))
        assert await repeating.repeat()
        assert repeating.repeated == repeated


async def test_a_repetition_and_a_sender_never_speak_at_the_same_time(outbox: Outbox, site: Site) -> None:
    on_call = Alertmanager(NAME, site.url, "funnelproof", None)
    await outbox.put(transition(), to=[NAME])
    await outbox.sender(on_call).send_waiting()
    repeating = Repeating(outbox.pool, on_call, real_time)
    async with outbox.pool.acquire() as sending, sending.transaction():
        assert await Backlog(on_call).lock(sending)
        assert not await repeating.repeat()
    assert await repeating.repeat()
    assert len(site.taken) == 2


async def test_what_is_not_delivered_yet_is_not_repeated(outbox: Outbox, site: Site) -> None:
    on_call = Alertmanager(NAME, site.url, "funnelproof", None)
    await outbox.put(transition(), to=[NAME])
    repeating = Repeating(outbox.pool, on_call, real_time)
    assert await repeating.repeat()
    await outbox.sender(on_call).send_waiting()
    await outbox.put(transition("resolved", 2), to=[NAME])
    assert await repeating.repeat()
    assert len(site.taken) == 1, (
        "the alert that was on is not on any more, and its end is the sender's to tell"
    )


async def test_a_held_alert_inhibits_the_conversion_alerts_of_its_pipeline_only(
    outbox: Outbox, real: RealAlertmanager, site: Site
) -> None:
    await send(outbox, real, now_transition("held"))
    await send(outbox, real, now_transition("fired", 2))
    await soon(lambda: _states(real, {"FunnelproofAlertHeld": "active", DROP: "suppressed"}))
    (other,) = storm(1, tenant=TENANT, first=5)
    await send(outbox, real, other)
    await soon(lambda: _is_told(site, 2))
    assert told(site) == [("firing", "FunnelproofAlertHeld"), ("firing", DROP)]
    await send(outbox, real, now_transition("released", 3))
    await soon(lambda: _is_told(site, 4))
    assert sorted(told(site)[2:]) == [("firing", DROP), ("resolved", "FunnelproofAlertHeld")]


async def _states(real: RealAlertmanager, wanted: dict[str, str]) -> bool:
    return {name: alert["status"]["state"] for name, alert in (await real.alerts()).items()} == wanted


async def test_an_alert_that_is_refused_does_not_hold_up_the_others(outbox: Outbox, site: Site) -> None:
    decided = storm(3)
    await outbox.put(*decided, to=[NAME])
    site.answer(400, 200, 400, 200)
    await outbox.sender(Alertmanager(NAME, site.url, "funnelproof", None)).send_waiting()
    sent = [[alert["labels"]["pipeline"] for alert in json.loads(each.body)] for each in site.taken]
    pipelines = [str(each.pipeline_id) for each in decided]
    assert sent == [pipelines, *[[each] for each in pipelines]]
    assert {each.path for each in site.taken} == {"/api/v2/alerts"}
    reading = await outbox.reading(NAME)
    assert (reading.waiting, reading.last_error) == (1, "answers 400 Bad Request to this message")


async def test_odd_names_arrive_as_text(outbox: Outbox, real: RealAlertmanager) -> None:
    odd = transition(rule='"<b>\u2603\\ {{ .x }}', evidence=evidence(to_stage="{{ 1/0 }} <script> @all\n"))
    await send(outbox, real, odd)
    alert = (await real.alerts())[DROP]
    assert alert["labels"]["rule"] == odd.rule
    assert "{{ 1/0 }} <script> @\u200ball" in alert["annotations"]["summary"]


async def test_an_alertmanager_that_is_away_is_told_as_a_trouble(outbox: Outbox) -> None:
    await outbox.put(transition(), to=[NAME])
    away = Alertmanager(NAME, "http://127.0.0.1:9", "funnelproof", None)
    await outbox.sender(away).send_waiting()
    assert (await outbox.reading(NAME)).last_error == "cannot be reached: start it, or mend its address"
    await outbox.pool.execute("update funnelproof.alert_delivery set delivered_at = now()")
    repeating = Repeating(outbox.pool, away, real_time)
    assert not await repeating.repeat()
    assert one_line(repeating.trouble.why) == "cannot be reached: start it, or mend its address"
