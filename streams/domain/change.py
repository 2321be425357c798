"""A change of a row of `deal_pipeline_stage_state`, as read from the log."""

from typing import NamedTuple


class Scope(NamedTuple):
    """A tenant and a pipeline: the owner of a funnel."""

    tenant_id: str
    pipeline_id: str


class Change(NamedTuple):
    """The new state of row `row_id` of deal `deal_id` (sixteen bytes per id), or the row's deletion.

    `scope` and `stage` are codes; `stage` is GONE for a deleted row. `at` is the instant of the entry, `committed_at`
    the instant of the source's commit, both in microseconds since the Unix epoch. `lsn` orders the changes of a row;
    a row read by a snapshot has no `lsn` and always applies. `rekeyed` marks half of a changed key: Debezium writes a
    row that moves to another deal as a deletion under the old key and an insert under the new key.
    """

    deal_id: bytes
    row_id: bytes
    scope: int
    stage: int
    at: int
    lsn: int | None
    committed_at: int
    rekeyed: bool = False
