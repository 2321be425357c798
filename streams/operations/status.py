"""The status of an installation: positions, lag, freshness, overdue windows and the reasons."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from streams.alerts.overview import Overview
from streams.cdc.connector import Connector, ConnectorStatus
from streams.domain.plan import WindowPlan
from streams.domain.proof import OpenTransaction
from streams.domain.windows import from_microseconds, to_microseconds
from streams.operations.asking import (
    LogAnswer,
    ReportAnswer,
    SourceAnswer,
    answer_of,
    ask_log,
    ask_progress,
    ask_report,
    ask_source,
)
from streams.operations.verdict import Defect, Part, PartitionStatus, Seen, judge
from streams.settings import Settings
from streams.store.doubts import Doubt
from streams.store.held_epoch import worker_names

OVERDUE_AFTER = timedelta(seconds=10)
"""The time from a window's end plus grace until the open window is overdue. An overdue window is no error while writers
hold the window back, for PROOF_WAIT at most."""
MOVING_SECONDS = 10.0
"""The most seconds in which a partition with unread records must advance."""
_LOOK_AGAIN = 0.5
_DOUBTED: Mapping[str, Part] = {"dead_letters": "dead letters", "reconciliation": "compared"}
"""The parts that doubts of a kind speak of; other doubts speak of the proof."""

T = TypeVar("T")


@dataclass(frozen=True)
class OverdueWindow:
    """A window that should be closed by now."""

    window_name: str
    window_end: datetime


@dataclass(frozen=True)
class Status:
    """The contents of `funnelproof status`.

    `facts` is empty without an answer of the report database. `living` names the living workers, `gone` the workers
    that flushed last and live no more. `alerts` is None without an answer of the report database.
    """

    facts: Mapping[str, Any]
    partitions: Sequence[PartitionStatus]
    living: Sequence[str]
    gone: Sequence[str]
    connector: ConnectorStatus | None
    slot: Mapping[str, Any] | None
    overdue: Sequence[OverdueWindow]
    writers: Sequence[OpenTransaction]
    troubles: Sequence[Defect] = ()
    doubts: Sequence[Doubt] = ()
    alerts: Overview | None = None

    @property
    def healthy(self) -> bool:
        """True if no window is overdue, and no trouble is known."""
        return not self.overdue and not self.troubles


async def read_status(settings: Settings) -> Status:
    """Ask every server; a server that does not answer is a trouble. Raises NotInstalledError."""
    answers = await asyncio.gather(
        answer_of("Postgres with the facts", ask_report(settings)),
        answer_of("Postgres of the CRM", ask_source(settings)),
        answer_of("Kafka", ask_log(settings)),
        answer_of("Kafka Connect", Connector(settings).status()),
    )
    report, source, log, connector = (
        _heard(answers[0]),
        _heard(answers[1]),
        _heard(answers[2]),
        _heard(answers[3]),
    )
    partitions = _partitions(report, log)
    doubts = [*(report.doubts if report else ()), *(source.doubts if source else ())]
    seen = Seen(
        facts=None if report is None else report.facts,
        living=None if report is None else _names(report, settings),
        partitions=partitions,
        stuck=await _stuck(settings, report, partitions),
        connector=connector,
        has_topic=None if log is None else log.has_topic,
        has_source=source is not None,
        slot=None if source is None else source.slot,
        doubts={each.kind for each in doubts},
        alerts=None if report is None else report.alerts,
        has_rules=settings.alert_rules is not None,
    )
    # A database that holds the CRM and the facts is asked twice, and told once.
    silent = dict.fromkeys(each for each in answers if isinstance(each, str))
    return Status(
        facts=seen.facts or {},
        partitions=partitions,
        living=seen.living or [],
        gone=seen.gone,
        connector=connector,
        slot=seen.slot,
        overdue=_overdue(settings, report, source),
        writers=source.writers if source else (),
        troubles=[
            *(Defect("servers", each, "") for each in silent),
            *judge(seen),
            *(
                Defect(_DOUBTED.get(each.kind, "proof"), f"results are estimates: {each.reason}", each.remedy)
                for each in doubts
            ),
        ],
        doubts=doubts,
        alerts=seen.alerts,
    )


def _heard(answer: T | str) -> T | None:
    return None if isinstance(answer, str) else answer


def _names(report: ReportAnswer, settings: Settings) -> list[str]:
    """Return the living workers' names as in `partition_progress`."""
    return worker_names(
        report.living, settings.instance, {each["worker"] for each in report.facts["partitions"]}
    )


def _partitions(report: ReportAnswer | None, log: LogAnswer | None) -> list[PartitionStatus]:
    told = {} if report is None else {each["partition"]: each for each in report.facts["partitions"]}
    ends, readable = ({}, {}) if log is None else (log.ends, log.readable)
    return [
        PartitionStatus(
            **{
                "partition": place,
                **told.get(place, {}),
                "end": ends.get(place),
                "readable": readable.get(place),
            }
        )
        for place in sorted(told.keys() | ends.keys())
    ]


async def _stuck(
    settings: Settings, report: ReportAnswer | None, partitions: Sequence[PartitionStatus]
) -> list[int]:
    """Return the partitions with unread records that do not advance, though a worker lives and flushes."""
    if report is None or not report.living:
        return []
    waiting = {
        each.partition: each.source_offset
        for each in partitions
        if each.source_offset is not None and each.unread and not each.is_replayed
    }
    give_up = asyncio.get_running_loop().time() + MOVING_SECONDS
    while waiting and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(_LOOK_AGAIN)
        now = await answer_of("Postgres with the facts", ask_progress(settings))
        if isinstance(now, str):
            return []
        waiting = {place: offset for place, offset in waiting.items() if now.get(place) == offset}
    return sorted(waiting)


def _overdue(
    settings: Settings, report: ReportAnswer | None, source: SourceAnswer | None
) -> list[OverdueWindow]:
    if report is None or source is None:
        return []
    plan: WindowPlan = report.plan
    until = to_microseconds(source.now - settings.grace - OVERDUE_AFTER)
    after = {name: to_microseconds(instant) for name, instant in report.closed_until.items()}
    return [
        OverdueWindow(window.name, from_microseconds(window.end))
        for window in plan.ending_in(after, until, limit=1)
    ]
