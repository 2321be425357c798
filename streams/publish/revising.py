"""Closed windows keep their pairs; on request they are published with those of now, as their next revision.

A request only marks windows. The workers' closer publishes them on its next proofs, a bounded number at a time and
behind the revisions that corrections need.
"""

from dataclasses import dataclass
from datetime import datetime

from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection

LOOKED_AT_ONCE = 20_000
"""Runs that one transaction looks at: a close waits no longer than that takes."""


@dataclass(frozen=True)
class RevisionProgress:
    """How many requested windows wait to be published, and how many were since a moment of the report database."""

    waiting: int
    revised: int


async def request_present_pairs(facts: Connection, scope: ClosedScope) -> int:
    """Mark the closed windows in `scope` whose pairs are not those of now; return how many there are."""
    requested = 0
    last: tuple[object, ...] = (None, None, None, None)
    while True:
        async with facts.transaction():
            await facts.execute(sql("queries/store/closing_lock"))
            row = await facts.fetchrow(
                sql("queries/publish/revise_request"),
                scope.tenant_id,
                scope.pipeline_id,
                scope.window_name,
                scope.start,
                scope.end,
                *last,
                LOOKED_AT_ONCE,
            )
        if row is None:
            return requested
        last, requested = tuple(row)[:4], requested + row["requested"]


async def revision_progress(facts: Connection, since: datetime) -> RevisionProgress:
    """Return what has become of requests so far."""
    row = await facts.fetchrow(sql("queries/publish/revise_progress"), since)
    assert row is not None  # noqa: S101 - the statement always returns one row
    return RevisionProgress(row["waiting"], row["revised"])
