"""Findings: the explanation of a difference, down to the deal and to the rows of the log."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from streams.reconciliation import ClosedRun

Counts = tuple[int, int]
"""`(entered, converted)` of a pair of stages."""


class Fault(StrEnum):
    """The place at which a number went wrong, in the order from the source to the facts.

    Log: `lost`: the source has the row, and the log has no record of the row. `ghost`: the log has a row of the deal
    that the source has no more. `stale`: the log has an older version of the row, perhaps a deletion. `dead_letter`:
    the row's last record cannot be applied. `wrong_partition`: the deal's rows are in several partitions of the log.

    State: `missing_in_state`: the worker that folds the log does not have the deal as the log has the deal.
    `partial_edited`: the worker has the deals right, and the count in Postgres is another.

    Facts: `fact_edited`; `run_deleted`: the run that should be the latest is missing; `run_added`: no worker published
    the run; `pairs_changed`: the run's list of pairs is not the list with which the run was published; `sealed`: the
    window is past its retention by now.

    `unknown`: no rule fits; the sentence has the evidence.
    """

    LOST = "lost"
    GHOST = "ghost"
    STALE = "stale"
    DEAD_LETTER = "dead_letter"
    WRONG_PARTITION = "wrong_partition"
    MISSING_IN_STATE = "missing_in_state"
    PARTIAL_EDITED = "partial_edited"
    FACT_EDITED = "fact_edited"
    RUN_DELETED = "run_deleted"
    RUN_ADDED = "run_added"
    PAIRS_CHANGED = "pairs_changed"
    SEALED = "sealed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Witnesses:
    """The counts of a pair of stages by each witness; None where a witness says nothing of the pair.

    `log` and `partials` are of the same offsets, so that the two may be compared while writes go on.
    """

    source: Counts | None
    log: Counts | None
    partials: Counts | None
    facts: Counts | None


@dataclass(frozen=True)
class ConcernedRow:
    """A row of the stage table, as the source and the log have the row.

    `key` is the key of the row's record in the log, without the space of a restatement; None if the log has no record.
    `partition` is where the log has the row, `belongs_to` where the log should have the row; None where nothing tells.
    `version` is the LSN that the log has last, 0 after a snapshot, None without a record. `in_source`: the source has
    the row, and the row belongs to the finding's deal.
    """

    row_id: UUID
    key: bytes | None
    partition: int | None
    belongs_to: int | None
    version: int | None
    in_source: bool


@dataclass(frozen=True)
class Finding:
    """The reason of a difference in a pair of stages of a closed window: a fault, of a deal or of none, in a sentence.

    `run` is the latest run, or the missing run, of the window.
    """

    fault: Fault
    run: ClosedRun
    from_stage_id: UUID
    to_stage_id: UUID
    witnesses: Witnesses
    sentence: str
    deal_id: UUID | None = None
    rows: tuple[ConcernedRow, ...] = ()

    @property
    def tenant_id(self) -> UUID:
        """The tenant of the window."""
        return self.run.tenant_id

    @property
    def pipeline_id(self) -> UUID:
        """The pipeline of the window."""
        return self.run.pipeline_id

    @property
    def window_name(self) -> str:
        """The kind of the window."""
        return self.run.window_name

    @property
    def window_start(self) -> datetime:
        """The start of the window."""
        return self.run.window_start
