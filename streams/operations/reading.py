"""A worker at one moment, as metrics show it and health judges it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streams.domain.proof import OpenTransaction
from streams.store.doubts import Doubt


@dataclass(frozen=True)
class PartitionReading:
    """A partition that is held: the offset its fold has reached, whether its counts are published, its deals.

    `end` is the log's, None where Kafka did not say.
    """

    position: int
    active: bool
    deals: int
    end: int | None = None


@dataclass(frozen=True)
class CheckpointReading:
    """A partition's newest checkpoint: its age, and its size in bytes."""

    age: float
    size: int


@dataclass(frozen=True)
class Reading:
    """Ages and lengths of time are in seconds.

    `joining` is how long the worker has waited for its first assignment, None once it had one; `silent`, for how long
    Postgres has not confirmed a flush or a takeover; `unproven`, for how long the prover has not made a proof. Troubles
    are the errors that are being tried again. `doubts` make results estimates, and due windows wait for `held_by`.
    `unpublished` is how many events of results wait for Kafka, None where
    another worker publishes; `unpublished_for`, for how long none of them could be published.
    """

    joining: float | None = None
    takeover_trouble: str | None = None
    topic_trouble: str | None = None
    partitions: Mapping[int, PartitionReading] = field(default_factory=dict)
    records: int = 0
    changes: int = 0
    dead_letters: int = 0
    silent: float | None = None
    postgres_trouble: str | None = None
    kafka_answers: bool | None = None
    unproven: float | None = None
    proof_trouble: str | None = None
    proven_until: datetime | None = None
    overdue: float | None = None
    published: int = 0
    unpublished: int | None = None
    unpublished_for: float | None = None
    publish_trouble: str | None = None
    checkpoints: Mapping[int, CheckpointReading] = field(default_factory=dict)
    checkpoints_fail: bool = False
    doubts: Sequence[Doubt] = ()
    held_by: Sequence[OpenTransaction] = ()

    @property
    def replaying(self) -> int:
        """The number of partitions that publish nothing yet: they have not reached their log's end."""
        return sum(not partition.active for partition in self.partitions.values())
