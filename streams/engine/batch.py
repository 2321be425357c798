"""What an agent is given: many records of several partitions at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol


class Record(Protocol):
    """One Kafka record, as aiokafka parsed it."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

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
        """Names and raw values, in the producer's order."""


@dataclass(frozen=True, slots=True)
class PartitionRecords:
    """Consecutive records of one partition.

    `next_offset` is the position after them. It may lie further than the last record, and `records`
    may be empty: transaction markers, aborted transactions and compacted records take up offsets too.
    """

    partition: int
    records: Sequence[Record]
    next_offset: int


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One event for the agent. `generation` names the assignment during which it was read."""

    parts: tuple[PartitionRecords, ...]
    generation: int

    def __len__(self) -> int:
        """Count the records; zero where only positions advance."""
        return sum(len(part.records) for part in self.parts)

    def __bool__(self) -> bool:
        """Be true also without records, so that `if batch` does not lose positions."""
        return True


def pack(parts: Iterable[PartitionRecords], limit: int) -> Iterator[tuple[PartitionRecords, ...]]:
    """Group the parts, cut where needed, so that no group has more than `limit` records; order is kept."""
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
