"""A worker's values at a moment, for the metrics and for the health."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streams.domain.proof import OpenTransaction
from streams.reconciliation.ledger import LedgerReading
from streams.store.doubts import Doubt


@dataclass(frozen=True)
class PartitionReading:
    """A held partition. `position` is the folded offset, `deals` the number of deals.

    `active` is True once the partition publishes counts. `end` is the log's end, None without an answer of Kafka.
    """

    position: int
    active: bool
    deals: int
    end: int | None = None


@dataclass(frozen=True)
class CheckpointReading:
    """A partition's newest checkpoint: the age in seconds, the size in bytes."""

    age: float
    size: int


@dataclass(frozen=True)
class Reading:
    """A worker's values at a moment. Ages and lengths of time are in seconds.

    - `joining`: the wait for the worker's first assignment, None after the first assignment.
    - `silent`: the time since Postgres last confirmed a flush or a takeover.
    - `unproven`: the time since the prover's last proof, None if another worker proves.
    - `takeover_trouble` and the other troubles: the last error of work that is being tried again.
    - `standing`: by partition with unread records, the time for which its position has not moved.
    - `connector_trouble`, `difference`: why the connector delivers nothing, and what the last reconciliation found
      different; for the prover alone.
    - `doubts`: the reasons why results are estimates. `held_by`: the writers that due windows wait for.
    - `label_failures`: the number of looks at the CRM's labels that met a mistake.
    - `ledger`: the comparisons of closed windows; for the prover's metrics alone.
    - `unpublished`: the number of events that wait for Kafka, None if another worker publishes.
    - `unpublished_for`: the time for which events wait and no event could be published.
    """

    joining: float | None = None
    takeover_trouble: str | None = None
    topic_trouble: str | None = None
    session_trouble: str | None = None
    standing: Mapping[int, float] = field(default_factory=dict)
    connector_trouble: str | None = None
    difference: str | None = None
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
    label_failures: int = 0
    published: int = 0
    unpublished: int | None = None
    unpublished_for: float | None = None
    publish_trouble: str | None = None
    checkpoints: Mapping[int, CheckpointReading] = field(default_factory=dict)
    checkpoints_fail: bool = False
    doubts: Sequence[Doubt] = ()
    held_by: Sequence[OpenTransaction] = ()
    ledger: LedgerReading | None = None

    @property
    def replaying(self) -> int:
        """The number of partitions that publish nothing yet: the replay has not reached the log's end."""
        return sum(not partition.active for partition in self.partitions.values())

    @property
    def starting(self) -> bool:
        """True until the worker has its first assignment, and until every partition is replayed."""
        return self.joining is not None or self.replaying > 0
