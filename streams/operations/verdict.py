"""The judgement on an installation: each reason why results are late, missing or in doubt, with the remedy."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from streams.alerts.overview import Overview
from streams.cdc.connector import ConnectorStatus
from streams.domain.duration import spell
from streams.store.doubts import COMPARE

UNPROVEN_SECONDS = 60.0
"""The age from which the last proof is too old; a working prover proves once a second."""
UNFLUSHED_SECONDS = 60.0
"""The age from which a partition's last flush is too old; a working worker flushes once a second."""
UNPUBLISHED_AFTER = timedelta(seconds=60)
"""The time for which a result may wait to be published to Kafka."""

_START = "start a worker with `funnelproof worker`"
_APPLY = "run `funnelproof connector apply`"
_CONNECTOR = {
    "ABSENT": _APPLY,
    "PAUSED": f"{_APPLY}, which resumes the connector",
    "STOPPED": f"{_APPLY}, which resumes the connector",
    "FAILED": f"mend the cause, then {_APPLY}",
}


Part = Literal[
    "servers",
    "workers",
    "capture",
    "proof",
    "windows",
    "dead letters",
    "compared",
    "published",
    "alerts",
    "labels",
]
"""The parts of an installation that are judged, in the order in which people read of the parts."""


@dataclass(frozen=True)
class Defect:
    """A defect of an installation: the reason why results are late, missing or in doubt, and the remedy."""

    part: Part
    cause: str
    remedy: str

    def __str__(self) -> str:
        """Return the defect in one line."""
        return f"{self.cause}: {self.remedy}" if self.remedy else self.cause


@dataclass(frozen=True)
class PartitionStatus:
    """A partition's progress; `source_offset`, `lag` and the flush are None before the first flush.

    `end` is the log's end, `readable` the end for a worker, before the first open transaction; both are None while
    Kafka does not answer. `claimed` is the end that the replay of the last takeover had to reach. `flushed_ago` is in
    seconds.
    """

    partition: int
    source_offset: int | None = None
    end: int | None = None
    worker: str | None = None
    flushed_at: str | None = None
    readable: int | None = None
    claimed: int | None = None
    flushed_ago: float | None = None

    @property
    def lag(self) -> int | None:
        """The number of records between the folded offset and the log's end, control records included."""
        if self.source_offset is None or self.end is None:
            return None
        return max(0, self.end - self.source_offset)

    @property
    def unread(self) -> int:
        """The number of records that a worker could read; 0 while Kafka does not answer."""
        return max(0, (self.readable or 0) - (self.source_offset or 0))

    @property
    def is_replayed(self) -> bool:
        """True between a takeover and the first flush behind the claimed end."""
        return self.claimed is not None and (self.source_offset is None or self.source_offset < self.claimed)


@dataclass(frozen=True)
class Seen:
    """The answers of the servers that answered. `stuck` are partitions with unread records and positions that stand.

    `facts` and `living` (names of living workers) are None without an answer of the report database, `connector`
    without an answer of Connect, `has_topic` without an answer of Kafka. `slot` counts if `has_source` is true.
    `doubts` are the kinds of the unresolved doubts. `alerts` is None without an answer of the report database;
    `has_rules` is true if somebody has configured a rule file.
    """

    facts: Mapping[str, Any] | None = None
    living: Sequence[str] | None = None
    partitions: Sequence[PartitionStatus] = ()
    stuck: Sequence[int] = ()
    connector: ConnectorStatus | None = None
    has_topic: bool | None = None
    has_source: bool = False
    slot: Mapping[str, Any] | None = None
    doubts: Collection[str] = ()
    alerts: Overview | None = None
    has_rules: bool = False

    @property
    def proof_age(self) -> float | None:
        """Seconds since the last proof; None without a proof."""
        if self.facts is None or self.facts["proven_at"] is None:
            return None
        return float((self.facts["now"] - self.facts["proven_at"]).total_seconds())

    @property
    def is_folded(self) -> bool:
        """True once a worker has folded a partition."""
        return any(each.source_offset is not None for each in self.partitions)

    @property
    def gone(self) -> list[str]:
        """The workers that hold partitions by their last flush, and live no more."""
        holders = {each.worker for each in self.partitions if each.worker}
        return [] if self.living is None else sorted(holders - set(self.living))


def judge(seen: Seen) -> list[Defect]:
    """Return the defects; without defects everything works."""
    return [
        *_of_the_workers(seen),
        *_of_the_proofs(seen),
        *_of_the_capture(seen),
        *_of_the_results(seen),
        *_of_the_alerts(seen),
    ]


def trouble_of(connector: ConnectorStatus) -> Defect | None:
    """Return why the connector delivers nothing, and the remedy; None for a running connector."""
    if connector.running:
        return None
    states = [connector.state, *connector.tasks]
    state = next((each for each in states if each != "RUNNING"), "without a task")
    cause = f" ({connector.trouble})" if connector.trouble else ""
    remedy = _CONNECTOR.get(state, "see the log of Kafka Connect")
    return Defect("capture", f"the connector {connector.name} is {state}{cause}", remedy)


def difference_of(last: Mapping[str, Any] | None, doubts: Collection[str]) -> Defect | None:
    """Return the defect of the last finished reconciliation, a row of `last_reconciliation`, if it found differences.

    Return None if one of `doubts`, by kind, says the same.
    """
    if last is None or last["outcome"] != "different" or "reconciliation" in doubts:
        return None
    found = f"found {last['differences']} differences in {last['runs']} runs"
    return Defect("compared", f"the last reconciliation, {spell(last['age'])} ago, {found}", COMPARE)


def _of_the_workers(seen: Seen) -> Iterator[Defect]:
    if seen.living is None:
        return
    if not seen.living:
        if not seen.is_folded:
            yield Defect("workers", "nothing has been folded yet", _START)
            return
        former = f" (before: {', '.join(seen.gone)})" if seen.gone else ""
        yield Defect("workers", f"no worker lives{former}", _START)
        if unread := sum(each.unread for each in seen.partitions):
            yield Defect("workers", f"{unread} records of the log are unread, and nobody reads the log", "")
        return
    if not seen.is_folded:
        why = f"{_list(seen.living)} has not ended its first replay, see the worker's log"
        yield Defect("workers", "nothing has been folded yet", why)
        return
    late = [each for each in seen.partitions if (each.flushed_ago or 0.0) > UNFLUSHED_SECONDS]
    for worker in sorted({each.worker or "nobody" for each in late}):
        its = [each for each in late if (each.worker or "nobody") == worker]
        since = spell(max(each.flushed_ago or 0.0 for each in its))
        state, remedy = (
            ("lives no more", "see the logs of the other workers")
            if worker in seen.gone
            else ("replays the log", "see its log for the time left")
            if all(each.is_replayed for each in its)
            else ("lives", "see its log")
        )
        flushed = f"partitions {[each.partition for each in its]} were last flushed {since} ago by {worker}"
        yield Defect("workers", f"{flushed}, which {state}", remedy)
    if seen.stuck:
        stuck = f"partitions {list(seen.stuck)} have unread records, and their positions stand"
        yield Defect("workers", stuck, "see the workers' logs")


def _of_the_proofs(seen: Seen) -> Iterator[Defect]:
    if seen.facts is None or not seen.is_folded:
        return
    age = seen.proof_age
    if age is not None and age <= UNPROVEN_SECONDS:
        return
    why = "the log of the worker that holds partition 0 says why"
    if replayed := [each.partition for each in seen.partitions if each.is_replayed]:
        why = f"partitions {replayed} are being replayed"
    what = "nothing is proven yet" if age is None else f"the last proof is {spell(age)} old"
    yield Defect("proof", f"{what}, and no window closes", why)
    if seen.slot is not None and not seen.slot["active"] and seen.connector and seen.connector.running:
        yield Defect(
            "capture",
            f"the connector {seen.connector.name} is RUNNING but does not read its replication slot: the connector "
            "takes a snapshot, or tries again and again",
            "see the log of Kafka Connect",
        )


def _of_the_capture(seen: Seen) -> Iterator[Defect]:
    if seen.connector is not None and (trouble := trouble_of(seen.connector)):
        yield trouble
    if seen.has_topic is False:
        yield Defect("capture", "Kafka has no CDC topic", _APPLY)
    if not seen.has_source:
        return
    if seen.slot is None:
        yield Defect("capture", "Postgres has no replication slot for the connector", _APPLY)
    elif seen.slot["wal_status"] == "lost":
        yield Defect(
            "capture", "the replication slot has lost WAL that was not read", "run `funnelproof rebuild`"
        )


def _of_the_results(seen: Seen) -> Iterator[Defect]:
    if seen.facts is None:
        return
    compared = seen.facts["comparisons"]
    if compared["different"]:
        since = spell(compared["different_age"])
        windows = compared["different"]
        who = "1 closed window differs" if windows == 1 else f"{windows} closed windows differ"
        told = f"{who} from the canonical SQL, {'' if windows == 1 else 'the first '}for {since}"
        yield Defect("compared", told, COMPARE)
    elif difference := difference_of(seen.facts["last_reconciliation"], seen.doubts):
        yield difference
    oldest = seen.facts["unpublished_since"]
    if oldest and seen.facts["now"] - oldest > UNPUBLISHED_AFTER:
        waiting = spell((seen.facts["now"] - oldest).total_seconds())
        yield Defect(
            "published",
            f"{seen.facts['unpublished_events']} results wait for Kafka, the oldest for {waiting}",
            "/healthz and the log of the worker that proves say why",
        )


def _of_the_alerts(seen: Seen) -> Iterator[Defect]:
    if seen.alerts is None or seen.alerts.is_evaluated or not seen.has_rules:
        return
    last = seen.alerts.evaluator
    since = "" if last is None else f", for {spell(last.age)}"
    yield Defect("alerts", f"nobody evaluates the alert rules{since}", "start `funnelproof alerts run`")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
