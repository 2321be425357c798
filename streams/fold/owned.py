"""A partition in the hands of a worker."""

from dataclasses import dataclass, field

from streams.domain.partition import PartitionState
from streams.domain.profile import Profile
from streams.domain.tally import TallyKey
from streams.fold.partials import DeadLetter


@dataclass(slots=True)
class OwnedPartition:
    """A partition that the worker holds: state, and progress of the takeover.

    `end`: the log's end at the takeover, which the replay must reach. `told`: the offset up to which Postgres has the
    causes of changes. `flushes`: the number of the last accepted flush. `known`: the profiles that Postgres had at the
    takeover, until the replay is over. `checkpoint_due`: the instant of the next checkpoint, by the event loop's clock.

    Waiting for the next flush: `dead_letters`; `superseded`, by key of a row with a dead letter the offset of a later
    event that was applied; `snapshots`, the LSNs of snapshots met. `poisoned` holds the keys of rows whose last event
    was a dead letter.
    """

    state: PartitionState
    end: int
    told: int
    flushes: int
    known: dict[TallyKey, Profile] | None
    checkpoint_due: float
    dead_letters: list[DeadLetter] = field(default_factory=list)
    poisoned: set[bytes] = field(default_factory=set)
    superseded: dict[bytes, int] = field(default_factory=dict)
    snapshots: set[int] = field(default_factory=set)

    @property
    def active(self) -> bool:
        """True once the replay has reached `end`, from when on counts may be published."""
        return self.known is None
