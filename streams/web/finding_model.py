"""The answers of the API about findings and repairs."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from streams.web.model import Answer

Fault = Literal[
    "lost", "ghost", "stale", "dead_letter", "wrong_partition", "missing_in_state", "partial_edited", "fact_edited",
    "run_deleted", "run_added", "pairs_changed", "sealed", "unknown",
]  # fmt: skip


class Finding(Answer):
    """The reason why a closed window differs from the canonical SQL in a pair, as `reconcile --explain` has found.

    `fault` is the place at which the number went wrong. Four witnesses have counted the pair: the canonical SQL over
    the CRM's rows (`source`), the log, the workers (`partials`) and the published run (`facts`); null where a witness
    says nothing. `run_id` is the window's last run at that time. `resolved_at`: a later comparison found the window
    equal. `deal_id` and `sentence` tell of a deal: null for a reader without the permission for deals.
    """

    finding_id: int
    fault: Fault
    found_at: datetime
    resolved_at: datetime | None
    tenant_id: UUID
    tenant: str | None
    pipeline_id: UUID
    pipeline: str | None
    window: str
    start: datetime
    end: datetime
    run_id: UUID | None
    revision: int
    from_stage_id: UUID
    from_stage: str | None
    to_stage_id: UUID
    to_stage: str | None
    source_entered: int | None
    source_converted: int | None
    log_entered: int | None
    log_converted: int | None
    partials_entered: int | None
    partials_converted: int | None
    facts_entered: int | None
    facts_converted: int | None
    deal_id: UUID | None
    sentence: str | None

    def without_deal(self) -> Self:
        """Return what a reader without the permission for deals may know."""
        return self.model_copy(update={"deal_id": None, "sentence": None})


class FindingRow(Answer):
    """A row of the CRM that a finding is about, as the CRM and the log have the row.

    `partition` is where the log has the row, `belongs_to` where the log should have the row. `lsn` is the position of
    the change that the log has last; null for a row of a snapshot, and for a row without a record (`is_logged`).
    `in_source`: the CRM has the row, and the row belongs to the finding's deal.
    """

    row_id: UUID
    partition: int | None
    belongs_to: int | None
    lsn: str | None
    is_logged: bool
    in_source: bool


class FindingWithRows(Finding):
    """A finding with its rows. A reader without the permission for deals is told no row."""

    rows: tuple[FindingRow, ...]


class Repair(Answer):
    """A repair: by whom, when, why, with what outcome; and the numbers of its actions that the reader may see.

    `outcome` is that of the comparison after the repair, or `failed`; null while the repair is at work. `deals` are
    restated in the log, `recounts` have the workers compare their counts, `windows` are published anew, and
    `left_undone` actions have had no effect. `reason` and `message` are null where the repair is for tenants, too, that
    the reader does not see.
    """

    repair_id: int
    begun_at: datetime
    author: str
    reason: str | None
    finished_at: datetime | None
    outcome: Literal["equal", "different", "undecided", "failed"] | None
    message: str | None
    faults: tuple[Fault, ...]
    deals: int
    recounts: int
    windows: int
    left_undone: int


class RepairAction(Answer):
    """An action of a repair.

    `restate`: a deal's rows are put into the log as the CRM has the rows. `recount`: the workers compare their counts,
    and write those that differ. `publish`: a window gets its next revision.

    `done_at` is null until the action has its effect. `deal_id` is null for a reader without the permission for deals.
    """

    number: int
    kind: Literal["restate", "recount", "publish"]
    faults: tuple[Fault, ...]
    tenant_id: UUID | None
    pipeline_id: UUID | None
    deal_id: UUID | None
    window: str | None
    start: datetime | None
    done_at: datetime | None


class RepairWithActions(Repair):
    """A repair with its first 1,000 actions."""

    actions: tuple[RepairAction, ...]
