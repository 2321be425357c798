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


class DealRows(Answer):
    """The rows of a deal in a pipeline as the CRM has them now, the earliest entry first."""

    deal_id: UUID
    tenant_id: UUID
    pipeline_id: UUID
    window: Window
    rows: tuple[DealRow, ...]
