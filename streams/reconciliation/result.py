"""The runs that a reconciliation compares, and the result."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Counts = tuple[int, int]
"""`(entered, converted)`."""
Pair = tuple[UUID, UUID]
"""`(from_stage_id, to_stage_id)`."""
Key = tuple[UUID, UUID, str, datetime]
"""`(tenant_id, pipeline_id, window_name, window_start)`."""


@dataclass(frozen=True)
class ClosedRun:
    """The latest revision of a pipeline's closed window in the report database.

    A missing run is a `ClosedRun` without `run_id` and without facts; its pairs are those that the run would have.
    `written` is a number that grows with every change of the window's partials. `counted` is true if the partials have
    an entry in the window. `pending` is true if a revision may be due.
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
    counted: bool = True

    def name_of(self, stage_id: UUID) -> str:
        """Return the stage's name, or the identifier of a stage that is nameless or deleted."""
        return self.stage_names.get(stage_id) or str(stage_id)

    @property
    def key(self) -> Key:
        """The run's tenant, pipeline, window name and window start: equal for every revision of a window."""
        return self.tenant_id, self.pipeline_id, self.window_name, self.window_start


@dataclass(frozen=True)
class Difference:
    """A pair of stages with a streamed `fact` unlike the canonical counts `sql`; None: missing on a side."""

    run: ClosedRun
    pair: Pair
    fact: Counts | None
    sql: Counts | None


@dataclass(frozen=True)
class ReconcileResult:
    """The numbers of compared runs and pairs, the differences, and the runs not compared in time.

    `reason` says why nothing could be compared, or is None.
    """

    runs: int
    pairs: int
    differences: tuple[Difference, ...] = ()
    undecided: tuple[ClosedRun, ...] = ()
    reason: str | None = None

    @property
    def outcome(self) -> Literal["equal", "different", "undecided"]:
        """`different` if a difference was found; else `undecided` if a run was not compared; else `equal`."""
        if self.differences:
            return "different"
        return "undecided" if self.undecided or self.reason else "equal"


def counts_told(counts: Counts | None) -> str:
    """Return counts in words."""
    return "nothing" if counts is None else f"{counts[0]} entered, {counts[1]} converted"


def differences_of(run: ClosedRun, canonical: dict[Pair, Counts]) -> list[Difference]:
    """Return the pairs of `run` with facts unlike the canonical counts."""
    return [
        Difference(run, pair, run.facts.get(pair), canonical.get(pair))
        for pair in sorted(run.facts.keys() | canonical.keys())
        if run.facts.get(pair) != canonical.get(pair)
    ]
