"""One change of one row of `deal_pipeline_stage_state`, as the log tells it."""

from typing import NamedTuple


class Scope(NamedTuple):
    """Whose funnel: a tenant and one of its pipelines."""

    tenant_id: str
    pipeline_id: str


class Change(NamedTuple):
    """One event: the row `row_id` of `deal_id` (both sixteen bytes) now says something else, or is gone.

    `scope` and `stage` are codes, `stage` is GONE for a deleted row; `at` is the entry in microseconds since the epoch.
    `lsn` orders changes of one row; it is None for a row read by a snapshot, which always applies. `committed_at` is
    when the source committed it, in microseconds since the epoch. `rekeyed`: one half of a changed key.
    """

    deal_id: bytes
    row_id: bytes
    scope: int
    stage: int
    at: int
    lsn: int | None
    committed_at: int
    rekeyed: bool = False
