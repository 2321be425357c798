"""The answers of the API about deals."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from streams.web.model import Answer, Page, Times, Window


class Deal(Answer):
    """A deal behind a count: its first entries into the stages of the pair within the window.

    `converted_at` is null for a deal that has not converted; `seconds` lie between the two entries.
    """

    deal_id: UUID
    entered_at: datetime
    converted_at: datetime | None = None
    seconds: float | None = None


class Deals(Page[Deal]):
    """Deals behind a count of a pair of stages, from the CRM's rows as they are now, the earliest entry first.

    `counted` is the number that the page shows, `found` the number of deals in the CRM. Where the two differ, `reasons`
    says why.
    """

    window: Window
    run_id: UUID | None
    revision: int | None
    from_stage_id: UUID
    from_stage: str | None
    to_stage_id: UUID
    to_stage: str | None
    which: Literal["entered", "converted", "not_converted"]
    counted: int
    found: int
    is_equal: bool
    reasons: tuple[str, ...]
    time_to_convert: Times | None


class DealRow(Answer):
    """A row of the CRM: a deal entered a stage. A stage that is gone has no name.

    `is_first`: the deal's first entry into the stage within the window asked about.
    """

    row_id: UUID
    stage_id: UUID
    stage: str | None
    entered_at: datetime
    is_first: bool


class LoggedRow(Answer):
    """A row of a deal as a worker has it. A deleted row is remembered without its content.

    `lsn` is the position of the change behind the row's content in the CRM's log, null for a row of a snapshot.
    """

    row_id: UUID
    deleted: bool
    lsn: str | None
    stage_id: UUID | None = None
    stage: str | None = None
    entered_at: datetime | None = None


class StageEntry(Answer):
    """The first entry of a deal into a stage within a window."""

    stage_id: UUID
    stage: str | None = None
    entered_at: datetime


class FirstEntries(Answer):
    """The first entries of a deal within a window, the earliest first."""

    window: str
    start: datetime
    end: datetime
    stages: tuple[StageEntry, ...]


class DealLog(Answer):
    """A deal as a worker counts it, up to `position` in a partition of the log: rows, and first entries by window."""

    partition: int
    position: int
    rows: tuple[LoggedRow, ...]
    first_entries: tuple[FirstEntries, ...]


class DealRows(Answer):
    """The rows of a deal in a pipeline as the CRM has them now, the earliest entry first.

    `log` is the deal as a worker counts it; null where `log_missing` says why.
    """

    deal_id: UUID
    tenant_id: UUID
    pipeline_id: UUID
    window: Window
    rows: tuple[DealRow, ...]
    log: DealLog | None = None
    log_missing: str = ""
