"""The evidence of a suspected deal: the deal's rows in the source, and the last records of the rows in the log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from streams.cdc.routing import partition_of
from streams.domain.change import Scope
from streams.domain.tally import WindowScope
from streams.explaining.finding import ConcernedRow, Counts, Fault

StagePair = tuple[str, str]
"""`(from_stage_id, to_stage_id)`, as texts."""


class Entry(NamedTuple):
    """The entry that a row records: the funnel, the stage, the instant in microseconds."""

    scope: Scope
    stage: str
    at: int


@dataclass(frozen=True)
class Trace:
    """The last records of a row of a deal in a partition.

    `entry` is None for a deleted row. `version` is the LSN, 0 after a snapshot, None if no record could be read.
    `unreadable` is the reason for which the last record cannot be applied, or None.
    """

    row_id: UUID
    partition: int
    key: bytes
    version: int | None
    entry: Entry | None
    unreadable: str | None = None


@dataclass(frozen=True)
class Deal:
    """A suspected deal. `source` has the rows that belong to the deal, `traces` the deal's rows in the log.

    `partitions` is the number of the log's partitions.
    """

    deal_id: UUID
    source: Mapping[UUID, Entry]
    traces: Sequence[Trace]
    partitions: int

    @property
    def home(self) -> int:
        """The partition in which the deal belongs."""
        return partition_of(self.deal_id, self.partitions)

    @property
    def is_split(self) -> bool:
        """True if several partitions have rows of the deal."""
        return len({trace.partition for trace in self.traces if trace.entry is not None}) > 1

    def source_counts(self, where: WindowScope, pair: StagePair) -> Counts:
        """Return the deal's part in the counts of a pair by the source's rows."""
        return counts_of(self.source.values(), where, pair)

    def log_counts(self, where: WindowScope, pair: StagePair) -> Counts:
        """Return the deal's part in the counts of a pair by the log, where every partition counts by itself."""
        entered = converted = 0
        for partition in {trace.partition for trace in self.traces}:
            some = counts_of(
                (each.entry for each in self.traces if each.partition == partition and each.entry),
                where,
                pair,
            )
            entered, converted = entered + some[0], converted + some[1]
        return entered, converted


class RowFault(NamedTuple):
    """A row that the log does not have as the source has the row. `trace` and `entry` are the two sides."""

    fault: Fault
    row: ConcernedRow
    entry: Entry | None
    trace: Trace | None


def counts_of(entries: Iterable[Entry], where: WindowScope, pair: StagePair) -> Counts:
    """Return a deal's part in the counts of a pair: 1 or 0 entered, 1 or 0 converted."""
    first: dict[str, int] = {}
    for scope, stage, at in entries:
        if scope == where.scope and stage in pair and where.window.start <= at < where.window.end:
            first[stage] = min(at, first.get(stage, at))
    begin, end = first.get(pair[0]), first.get(pair[1])
    return int(begin is not None), int(begin is not None and end is not None and end > begin)


def row_faults(deal: Deal, where: WindowScope, pair: StagePair) -> Iterator[RowFault]:
    """Yield the faults of the deal's rows that can count for a pair in a window."""
    traces: dict[UUID, list[Trace]] = {}
    for trace in deal.traces:
        traces.setdefault(trace.row_id, []).append(trace)
    for row_id in sorted(deal.source.keys() | traces.keys()):
        entry, found = deal.source.get(row_id), traces.get(row_id, [])
        if any(_counts(each, where, pair) for each in (entry, *(trace.entry for trace in found))):
            yield from _faults_of(deal, row_id, entry, found)


def _counts(entry: Entry | None, where: WindowScope, pair: StagePair) -> bool:
    return (
        entry is not None
        and entry.scope == where.scope
        and entry.stage in pair
        and where.window.start <= entry.at < where.window.end
    )


def _faults_of(deal: Deal, row_id: UUID, entry: Entry | None, traces: Sequence[Trace]) -> Iterator[RowFault]:
    strayed = [each for each in traces if deal.is_split and each.entry and each.partition != deal.home]
    for trace in strayed:
        yield RowFault(Fault.WRONG_PARTITION, _row(deal, row_id, entry, trace), entry, trace)
    left = [each for each in traces if each not in strayed]
    if not left and not strayed:
        yield RowFault(Fault.LOST, _row(deal, row_id, entry, None), entry, None)
        return
    for trace in left:
        if trace.entry is None and trace.partition != deal.home and not trace.unreadable:
            continue  # a deletion away from home takes nothing away
        fault = _fault(entry, trace)
        # A row that is elsewhere, too, is no loss at home: the stray record says where the row went.
        if fault is not None and not (fault is Fault.STALE and trace.entry is None and strayed):
            yield RowFault(fault, _row(deal, row_id, entry, trace), entry, trace)


def _fault(entry: Entry | None, trace: Trace) -> Fault | None:
    if trace.entry == entry:
        return None
    if trace.unreadable:
        return Fault.DEAD_LETTER
    if trace.version is None:
        return Fault.LOST
    return Fault.GHOST if entry is None else Fault.STALE


def _row(deal: Deal, row_id: UUID, entry: Entry | None, trace: Trace | None) -> ConcernedRow:
    return ConcernedRow(
        row_id,
        None if trace is None else trace.key,
        None if trace is None else trace.partition,
        deal.home,
        None if trace is None else trace.version,
        entry is not None,
    )
