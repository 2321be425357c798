"""The answer about operations: what an engineer asks of the installation. Ages are in seconds."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from streams.web.finding_model import Fault, Repair
from streams.web.model import Answer, Health, Reconciliation


class Trouble(Answer):
    """A trouble, and the way out. `part` is the part of the answer with the evidence."""

    part: Literal["workers", "partitions", "proof", "windows", "doubts", "comparisons", "alerts", "kafka"]
    text: str


class Worker(Answer):
    """A worker that lives, or one that lives no more and flushed `partitions` last."""

    name: str
    lives: bool
    since: datetime | None
    partitions: tuple[int, ...]
    flush_age: float | None


class Partition(Answer):
    """The progress of a partition. `end` is the log's end as a proof has last read the end, `end_age` ago.

    `lag` is the number of records up to there; null where the reading is too old to tell. `is_replayed`: the partition
    has a new worker, which reads the log up to where the former worker was.
    """

    partition: int
    worker: str | None
    position: int | None
    end: int | None
    end_age: float | None
    lag: int | None
    is_replayed: bool
    flush_age: float | None


class Proving(Answer):
    """The last proof. `waits_for` says what the next proof waits for; null while proofs follow each other."""

    proven_until: datetime | None
    age: float | None
    lsn: str | None
    completeness: Literal["proven", "estimated"] | None
    reasons: tuple[str, ...]
    waits_for: str | None
    marker_seconds: float | None
    progress_seconds: float | None


class WaitingWindow(Answer):
    """An open window. `overdue`: the window should be closed by now; `waits_for` says why the window is not."""

    window: str
    start: datetime
    end: datetime
    state: Literal["open", "closing", "overdue"]
    waits_for: str | None


class Windows(Answer):
    """The open windows: their number, how many are overdue, and those that end first."""

    open: int
    overdue: int
    first: tuple[WaitingWindow, ...]


class DoubtReading(Answer):
    """A reason why every result is an estimate, and what settles the doubt."""

    kind: str
    reason: str
    remedy: str
    noted_at: datetime
    age: float


class LetterReason(Answer):
    """Dead letters of one reason. `oldest` is the place of the oldest one, `<partition>/<offset>`."""

    reason: str
    letters: int
    oldest: str
    age: float


class DeadLetters(Answer):
    """Events that could not be applied: their number, the age of the oldest one, and their reasons."""

    letters: int
    age: float | None
    reasons: tuple[LetterReason, ...]


class DifferingWindow(Answer):
    """A closed window that differs from the canonical SQL; `age` since the difference is known."""

    window: str
    start: datetime
    end: datetime
    compared_at: datetime
    age: float


class FindingsOfWindow(Answer):
    """A closed window of a pipeline with open findings; `age` since the first of the findings.

    `run_id` is the run that differs; null where the run is missing.
    """

    tenant_id: UUID
    tenant: str | None
    pipeline_id: UUID
    pipeline: str | None
    window: str
    start: datetime
    end: datetime
    run_id: UUID | None
    faults: tuple[Fault, ...]
    findings: int
    deals: int
    age: float


class Findings(Answer):
    """The findings of `reconcile --explain`, as long as the windows are not found equal; the oldest windows first."""

    open: int
    windows: int
    age: float | None
    first: tuple[FindingsOfWindow, ...]


class Comparisons(Answer):
    """The ledger: how many closed windows were compared with the canonical SQL, when, and with what outcome.

    `oldest_age` and `newest_age` are of the least and the most recent comparison of a window.
    """

    windows: int
    never_compared: int
    undecided: int
    different: int
    oldest_age: float | None
    newest_age: float | None
    different_age: float | None
    differing: tuple[DifferingWindow, ...]
    last: tuple[Reconciliation, ...]


class Receiver(Answer):
    """A receiver of alerts for which transitions wait, or were given up."""

    receiver: str
    waiting: int
    age: float | None
    given_up: int
    last_error: str | None


class Evaluator(Answer):
    """The process that evaluates the rules of alerts; `held`: why no alert has a verdict now."""

    evaluator: str
    is_active: bool
    age: float
    held: str | None
    broken_rules: tuple[str, ...]


class Epoch(Answer):
    """The meaning of the counts: every living worker counts the same."""

    epoch: UUID
    topic: str
    partitions: int
    windows: tuple[str, ...]
    timezone: str
    begun_at: datetime


class Operations(Answer):
    """The state of an installation, as far as the report database knows the state.

    `state`: `empty`, before the first worker; `well`; `trouble`, with `troubles`.
    """

    state: Literal["empty", "well", "trouble"]
    troubles: tuple[Trouble, ...]
    health: Health
    epoch: Epoch | None
    workers: tuple[Worker, ...]
    partitions: tuple[Partition, ...]
    proof: Proving
    windows: Windows
    pending_revisions: int
    unpublished_results: int
    unpublished_age: float | None
    doubts: tuple[DoubtReading, ...]
    dead_letters: DeadLetters
    comparisons: Comparisons
    findings: Findings
    repairs: tuple[Repair, ...]
    receivers: tuple[Receiver, ...]
    evaluator: Evaluator | None
