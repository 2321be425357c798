"""The book of a watch: the states of the alerts, and the transitions that follow from what a detector finds."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from streams.alerts.evaluation.moment import Moment
from streams.alerts.rules import Rule
from streams.alerts.scope import Stream
from streams.alerts.transition import Evidence, Step, Transition, alert_id_of
from streams.domain.change import Scope
from streams.domain.detection.lifecycle import Lifecycle, Phase, State
from streams.domain.windows import MICROSECOND, from_microseconds, to_microseconds
from streams.store.database import plain_uuid

TOLD_SHORTLY = timedelta(seconds=60)
"""The time after which firing alerts are told that nothing can be proven: a short gap is nobody's business."""


@dataclass(frozen=True)
class Seen:
    """The ground of a transition: the source's time, the window, the run of a closed window, and the numbers."""

    at: int
    start: int
    end: int
    evidence: Evidence
    run_id: UUID | None = None


Decided = tuple[Stream, Step, Seen]
"""A step of a stream's alert, and what the step rests on."""


@dataclass(frozen=True)
class Alert:
    """The state of one alert. `number` counts its transitions; `seen` is what the last one rests on."""

    alert_id: UUID
    phase: Phase
    number: int
    fired_at: int | None
    is_held: bool
    seen: Seen


class Book:
    """The alerts of a rule over one kind of window in one tiling, by stream.

    `changed` has the streams whose state is to be stored. A stream that never had an alert is in no book.
    """

    def __init__(self, rule: Rule, tiling: str) -> None:
        self.rule = rule
        self.tiling = tiling
        self.alerts: dict[Stream, Alert] = {}
        self.changed: set[Stream] = set()
        self._lifecycle = Lifecycle(rule.for_ // MICROSECOND, rule.keep_firing_for // MICROSECOND)

    @property
    def active(self) -> set[Stream]:
        """The streams whose evidence suffices: pending, or firing and not about to end."""
        return {
            stream
            for stream, alert in self.alerts.items()
            if alert.phase.state is not State.INACTIVE and alert.phase.recovered_at is None
        }

    def advance(self, stream: Stream, at: int, seen: Seen, *, active: bool) -> Iterator[Decided]:
        """Note that the evidence for a stream's drop suffices, or suffices no more; yield the transition."""
        alert = self.alerts.get(stream)
        if alert is None:
            if not active:
                return
            fresh = alert_id_of(self.rule.name, self.rule.window, *identifiers(stream))
            alert = Alert(fresh, Phase(), 0, None, is_held=False, seen=seen)
        before, after = alert.phase, self._lifecycle.step(alert.phase, at, active=active)
        if after == before:
            return
        step: Step | None = None
        if (before.state is State.FIRING) != (after.state is State.FIRING):
            step = "fired" if after.state is State.FIRING else "resolved"
        yield from self._turn(stream, replace(alert, phase=after), step, seen)

    def pass_time(self, at: int) -> Iterator[Decided]:
        """Yield the transitions that come with time alone: a rule's `for` or `keep_firing_for` has passed."""
        for stream, alert in list(self.alerts.items()):
            waits = alert.phase.state is State.PENDING or alert.phase.recovered_at is not None
            if waits:
                active = alert.phase.recovered_at is None
                yield from self.advance(stream, at, replace(alert.seen, at=at), active=active)

    def end(
        self,
        stream: Stream,
        step: Literal["resolved", "retracted"],
        at: int,
        reason: str,
        evidence: Evidence | None = None,
    ) -> Iterator[Decided]:
        """End an alert for a reason of its own; an alert that has not fired yet ends without a word.

        `evidence`: the present numbers; None: those of the last transition.
        """
        alert = self.alerts.get(stream)
        if alert is None or alert.phase.state is State.INACTIVE:
            return
        told = msgspec.structs.replace(evidence or alert.seen.evidence, reason=reason)
        seen = replace(alert.seen, at=at, evidence=told)
        fired = alert.phase.state is State.FIRING
        yield from self._turn(stream, replace(alert, phase=Phase()), step if fired else None, seen)

    def hold(self, reason: str | None, at: int) -> Iterator[Decided]:
        """Yield the transitions of firing alerts when nothing can be proven (a reason), or can again (None)."""
        for stream, alert in list(self.alerts.items()):
            held = reason is not None and alert.phase.state is State.FIRING
            if held != alert.is_held:
                evidence = msgspec.structs.replace(alert.seen.evidence, reason=reason)
                yield from self._turn(
                    stream,
                    replace(alert, is_held=held),
                    "held" if held else "released",
                    replace(alert.seen, at=at, evidence=evidence),
                )

    def _turn(self, stream: Stream, alert: Alert, step: Step | None, seen: Seen) -> Iterator[Decided]:
        self.changed.add(stream)
        fired_at = seen.at if step == "fired" else alert.fired_at
        number = alert.number + (step is not None)
        self.alerts[stream] = replace(alert, number=number, fired_at=fired_at, seen=seen)
        if step is not None:
            yield stream, step, seen

    def transitions(self, decided: Iterable[Decided], moment: Moment) -> list[Transition]:
        """Return steps as they are stored and told, each with its number: an alert may have taken several steps."""
        steps = list(decided)
        left = Counter(stream for stream, _, _ in steps)
        transitions = []
        for stream, step, seen in steps:
            left[stream] -= 1
            number = self.alerts[stream].number - left[stream]
            transitions.append(self._transition(stream, step, seen, number, moment))
        return transitions

    def _transition(self, stream: Stream, step: Step, seen: Seen, number: int, moment: Moment) -> Transition:
        tenant, pipeline, from_stage, to_stage = identifiers(stream)
        return Transition(
            alert_id=self.alerts[stream].alert_id,
            number=number,
            rule=self.rule.name,
            kind=self.rule.kind,
            step=step,
            at=from_microseconds(seen.at),
            decided_at=moment.now,
            severity=self.rule.severity,
            evidence=seen.evidence,
            tenant_id=tenant,
            pipeline_id=pipeline,
            from_stage_id=from_stage,
            to_stage_id=to_stage,
            window_name=self.rule.window,
            window_start=from_microseconds(seen.start),
            window_end=from_microseconds(seen.end),
            run_id=seen.run_id,
            source_lsn=moment.source_lsn,
            runbook=None if self.rule.runbook is None else str(self.rule.runbook),
        )

    def load(self, rows: Iterable[asyncpg.Record]) -> None:
        """Take the states of the database."""
        self.changed.clear()
        self.alerts = {_stream(row): _alert(row) for row in rows}

    def stored(self) -> list[dict[str, object]]:
        """Return the changed states for the database, and forget that they changed."""
        states = [self._stored(stream) for stream in sorted(self.changed)]
        self.changed.clear()
        return states

    def _stored(self, stream: Stream) -> dict[str, object]:
        alert, rule = self.alerts[stream], self.rule
        return {
            "alert_id": alert.alert_id,
            "rule": rule.name,
            "kind": rule.kind,
            "severity": rule.severity,
            "window_name": rule.window,
            "tiling": self.tiling,
            "tenant_id": stream.scope.tenant_id,
            "pipeline_id": stream.scope.pipeline_id,
            "from_stage_id": stream.from_stage,
            "to_stage_id": stream.to_stage,
            "state": alert.phase.state.value,
            "number": alert.number,
            "active_since": instant_of(alert.phase.active_since),
            "recovered_at": instant_of(alert.phase.recovered_at),
            "fired_at": instant_of(alert.fired_at),
            "is_held": alert.is_held,
            "window_start": from_microseconds(alert.seen.start),
            "window_end": from_microseconds(alert.seen.end),
            "content": alert.seen.evidence,
        }


def identifiers(stream: Stream) -> tuple[UUID, UUID, UUID, UUID | None]:
    """Return tenant, pipeline and stages as identifiers."""
    return (
        UUID(stream.scope.tenant_id),
        UUID(stream.scope.pipeline_id),
        UUID(stream.from_stage),
        None if stream.to_stage is None else UUID(stream.to_stage),
    )


def instant_of(at: int | None) -> datetime | None:
    """Return microseconds as an instant; None for None."""
    return None if at is None else from_microseconds(at)


def microseconds_of(at: datetime | None) -> int | None:
    """Return an instant as microseconds; None for None."""
    return None if at is None else to_microseconds(at)


def _stream(row: asyncpg.Record) -> Stream:
    return Stream(Scope(row["tenant_id"], row["pipeline_id"]), row["from_stage_id"], row["to_stage_id"])


def _alert(row: asyncpg.Record) -> Alert:
    return Alert(
        plain_uuid(row["alert_id"]),
        Phase(
            State(row["state"]), microseconds_of(row["active_since"]), microseconds_of(row["recovered_at"])
        ),
        row["number"],
        microseconds_of(row["fired_at"]),
        is_held=row["is_held"],
        seen=Seen(
            microseconds_of(row["fired_at"]) or 0,
            to_microseconds(row["window_start"]),
            to_microseconds(row["window_end"]),
            msgspec.json.decode(row["content"], type=Evidence),
        ),
    )
