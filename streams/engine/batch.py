"""The batches that an agent is given: many records of several partitions at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol


class Record(Protocol):
    """A Kafka record, parsed by aiokafka."""

    @property
    def offset(self) -> int:
        """The record's place in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch, by the producer's or the broker's clock (a topic setting)."""

    @property
    def key(self) -> bytes | None:
        """The raw key."""

    @property
    def value(self) -> bytes | None:
        """The raw value; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Header names and raw values, in the producer's order."""


@dataclass(frozen=True, slots=True)
class PartitionRecords:
    """Consecutive records of one partition.

    `next_offset` is the position at which reading continues. Transaction markers, aborted transactions and
    compacted records take up offsets but are not delivered. Therefore `next_offset` may lie more than one
    offset after the last record, and `records` may be empty.
    """

    partition: int
    records: Sequence[Record]
    next_offset: int


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One event for the agent. `generation` is the number of the assignment during which the batch was read."""

    parts: tuple[PartitionRecords, ...]
    generation: int

    def __len__(self) -> int:
        """Count the records; zero for a batch that only advances positions."""
        return sum(len(part.records) for part in self.parts)

    def __bool__(self) -> bool:
        """Be true even without records, so `if batch` loses no position."""
        return True


def pack(parts: Iterable[PartitionRecords], limit: int) -> Iterator[tuple[PartitionRecords, ...]]:
    """Group the parts in their order into groups of at most `limit` records; a longer part is cut."""
    group: list[PartitionRecords] = []
    room = limit
    for part in parts:
        for piece in _cut(part, limit):
            if group and len(piece.records) > room:
                yield tuple(group)
                group, room = [], limit
            group.append(piece)
            room -= len(piece.records)
    if group:
        yield tuple(group)


def _cut(part: PartitionRecords, limit: int) -> Iterator[PartitionRecords]:
    records = part.records
    while len(records) > limit:
        head, records = records[:limit], records[limit:]
        yield PartitionRecords(part.partition, head, head[-1].offset + 1)
    yield replace(part, records=records)
