"""Alerts for Prometheus Alertmanager, by its API v2.

Alertmanager knows an alert by its labels, and forgets an alert that is not sent again: labels hold identifiers only,
numbers are annotations, and `Repeating` (streams/alerts/delivery/repeating.py) sends every alert that is on again.
Example: an alert fires at 10:00. It is sent at 10:00, 10:01, 10:02 ..., each time with an end four minutes ahead. It is
resolved at 11:00, and is sent with this end until 11:15. A hold is an alert of its own, which inhibits the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from streams.alerts.delivery.channel import Message
from streams.alerts.delivery.links import link_to
from streams.alerts.delivery.posting import SECONDS, Poster
from streams.alerts.delivery.words import plain, words_of
from streams.alerts.transition import Transition

REPEAT_EVERY = timedelta(seconds=60)
"""The time between two repetitions of an alert that is on."""
STAYS_ON = 4 * REPEAT_EVERY
"""The time for which Alertmanager holds an alert on without a repetition."""
REPEAT_END_FOR = timedelta(minutes=15)
"""The time in which the end of an alert is repeated: an Alertmanager that was away learns of the end."""

HELD, INVALID = "FunnelproofAlertHeld", "FunnelproofRuleInvalid"
_ALERT_NAMES = {
    "drop": "FunnelproofConversionDrop",
    "traffic": "FunnelproofTrafficDrop",
    "below": "FunnelproofConversionBelow",
    "health": "FunnelproofHealth",
}
_ON = {"fired", "held", "invalid"}


class Alertmanager:
    """A channel to one Alertmanager. `url` is its address without `/api/v2`."""

    at_once: int = 200
    patience: timedelta | None = None

    def __init__(
        self, name: str, url: str, instance: str, dashboard: str | None, seconds: float = SECONDS
    ) -> None:
        self.name = name
        self._poster = Poster(f"{url.rstrip('/')}/api/v2/alerts", seconds)
        self._instance = instance
        self._dashboard = dashboard

    async def begin(self) -> None:
        """Do nothing: every message opens a connection."""

    async def send(self, message: Message, now: datetime) -> None:
        """Post the message's transitions."""
        await self.post(message.transitions, now)

    async def post(self, transitions: Sequence[Transition], now: datetime) -> None:
        """Post `transitions` as Alertmanager is to see them at `now`. Raises ReceiverError."""
        alerts = [
            alert
            for transition in transitions
            for alert in alerts_of(transition, now, self._instance, self._dashboard)
        ]
        await self._poster.post(msgspec.json.encode(alerts), {"content-type": "application/json"})

    async def close(self) -> None:
        """Give up the connections."""
        await self._poster.close()


def alerts_of(
    transition: Transition, now: datetime, instance: str, dashboard: str | None
) -> Iterator[Mapping[str, object]]:
    """Give the alerts of Alertmanager that `transition` starts or ends.

    The end of a hold ends both of its alerts: Alertmanager does not tell the end of an alert that never was.
    """
    link = link_to(dashboard, transition)
    since = transition.evidence.since or transition.at
    # A source's clock that is ahead must not make an alert that ends before it starts: Alertmanager refuses that.
    ends = now + STAYS_ON if transition.step in _ON else transition.decided_at
    for alert_name in _alert_names(transition):
        yield {
            "labels": {"alertname": alert_name, **_labels(transition, instance)},
            "annotations": _annotations(transition, link),
            "startsAt": min(since, ends),
            "endsAt": ends,
            **({} if link is None else {"generatorURL": link}),
        }


def _alert_names(transition: Transition) -> Sequence[str]:
    if transition.is_verdict:
        return [_ALERT_NAMES[transition.kind]]
    return {"held": [HELD], "invalid": [INVALID]}.get(transition.step, [HELD, INVALID])


def _labels(transition: Transition, instance: str) -> Mapping[str, str]:
    labels = {
        "funnelproof": instance,
        "rule": transition.rule,
        "severity": transition.severity,
        "tenant": transition.tenant_id,
        "pipeline": transition.pipeline_id,
        "from_stage": transition.from_stage_id,
        "to_stage": transition.to_stage_id,
        "window": transition.window_name,
    }
    return {name: str(value) for name, value in labels.items() if value is not None}


def _annotations(transition: Transition, link: str | None) -> Mapping[str, str]:
    evidence = transition.evidence
    words = words_of(transition, link)
    annotations = {
        "summary": plain(words.headline),
        "description": "\n".join(f"{line.label}: {plain(line.text)}" for line in words.lines),
        "transition": transition.step,
        "event_id": transition.event_id,
        "window_start": transition.window_start and transition.window_start.isoformat(),
        "entered": evidence.entered,
        "converted": evidence.converted,
        "expected": evidence.expected,
        "expected_low": evidence.low,
        "expected_high": evidence.high,
        "conversion_rate": evidence.rate,
        "expected_rate": evidence.expected_rate,
        "odds": evidence.odds,
        "run_id": transition.run_id,
        "revision": evidence.revision,
        "completeness": evidence.completeness,
        "source_lsn": transition.source_lsn,
        "runbook_url": transition.runbook,
    }
    return {name: str(value) for name, value in annotations.items() if value is not None}
