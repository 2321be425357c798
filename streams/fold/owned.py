"""A partition that a worker holds, and the records that reach it."""

from dataclasses import dataclass, field

from streams.domain.partition import PartitionState
from streams.domain.tally import TallyKey
from streams.fold.partials import DeadLetter


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
