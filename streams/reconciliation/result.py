"""What a reconciliation looks at, and what it finds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Counts = tuple[int, int]
"""`(entered, converted)`."""
Pair = tuple[UUID, UUID]
"""`(from_stage_id, to_stage_id)`."""


@dataclass(frozen=True)
class ClosedRun:
    """The latest revision of one closed window of one pipeline, as the report database has it.

    Without `run_id` and facts where there should be a run and is none.
    """

    run_id: UUID | None
    tenant_id: UUID
    pipeline_id: UUID
    window_name: str
    window_start: datetime
    window_end: datetime
    revision: int
    pairs: tuple[Pair, ...]
    facts: dict[Pair, Counts]
    stage_names: dict[UUID, str | None]
    written: int
    pending: bool

    def name_of(self, stage_id: UUID) -> str:
        """Return a stage's name, or its identifier where it has none or is gone."""
        return self.stage_names.get(stage_id) or str(stage_id)

    @property
    def key(self) -> tuple[UUID, UUID, str, datetime]:
        """The window it stands for, whatever the revision."""
        return self.tenant_id, self.pipeline_id, self.window_name, self.window_start


@dataclass(frozen=True)
class Difference:
    """A pair whose streamed fact is not what the canonical SQL gives; None: missing on that side."""

    run: ClosedRun
    pair: Pair
    fact: Counts | None
    sql: Counts | None


@dataclass(frozen=True)
class ReconcileResult:
    """How many runs and pairs were compared, what differs, and which runs could not be compared in time."""

    runs: int
    pairs: int
    differences: tuple[Difference, ...] = ()
    undecided: tuple[ClosedRun, ...] = ()
    reason: str | None = None

    @property
    def outcome(self) -> Literal["equal", "different", "undecided"]:
        """Differences weigh most; what could not be compared keeps the rest from counting as equal."""
        if self.differences:
            return "different"
        return "undecided" if self.undecided or self.reason else "equal"


def differences_of(run: ClosedRun, canonical: dict[Pair, Counts]) -> list[Difference]:
    """Return the pairs of `run` whose facts are not the canonical counts."""
    return [
        Difference(run, pair, run.facts.get(pair), canonical.get(pair))
        for pair in sorted(run.facts.keys() | canonical.keys())
        if run.facts.get(pair) != canonical.get(pair)
    ]
