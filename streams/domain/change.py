"""One change of one row of `deal_pipeline_stage_state`, as the log tells it."""

from typing import NamedTuple
from uuid import UUID


class Scope(NamedTuple):
    """Whose funnel: a tenant and one of its pipelines."""

    tenant_id: str
    pipeline_id: str


class StageEntry(NamedTuple):
    """That a deal entered a stage: what a row says, without its key. `at` is in microseconds since the epoch."""

    scope: Scope
    stage_id: str
    at: int


class Change(NamedTuple):
    """One event: the row `row_id` of `deal_id` now says `entry`, or is gone (None).

    `lsn` orders changes of one row; it is None for a row read by a snapshot, which always applies.
    `committed_at` is when the source committed it, in microseconds since the epoch.
    """

    deal_id: str
    row_id: str
    entry: StageEntry | None
    lsn: int | None
    committed_at: int
    rekeyed: bool = False


class Identifiers(dict[str, str]):
    """Interns identifiers: one text object each, in canonical form; raises ValueError for what is no UUID."""

    def __missing__(self, text: str) -> str:
        canonical = str(UUID(text))
        self[text] = self[canonical] = canonical
        return canonical
