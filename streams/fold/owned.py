"""A partition that a worker holds, and the records that reach it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.cdc.envelope import LogRecord
from streams.domain.partition import PartitionState
from streams.domain.tally import TallyKey
from streams.fold.partials import DeadLetter


class OffsetRecord(LogRecord, Protocol):
    """A record with its place in the log."""

    @property
    def offset(self) -> int:
        """The record's offset in its partition."""

    @property
    def key(self) -> bytes | None:
        """The row's key."""


class RecordChunk(Protocol):
    """Consecutive records of one partition; `next_offset` also passes gaps, so `records` may be empty."""

    partition: int
    records: Sequence[OffsetRecord]
    next_offset: int


@dataclass(slots=True)
class OwnedPartition:
    """A partition this worker holds: its state, and how far taking it over has come."""

    state: PartitionState
    end: int
    told: int
    flushes: int
    known: dict[TallyKey, int] | None
    checkpoint_due: float
    dead_letters: list[DeadLetter] = field(default_factory=list)
    poisoned: set[bytes] = field(default_factory=set)
    superseded: dict[bytes, int] = field(default_factory=dict)
    snapshots: set[int] = field(default_factory=set)

    @property
    def active(self) -> bool:
        """Whether the replay has reached the end it had to reach, so that counts may be published."""
        return self.known is None
