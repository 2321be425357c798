"""Closed windows keep their pairs of stages. On request a window is revised to the present pairs.

A request only touches windows. The workers' closer revises the touched windows with the next proofs, a bounded number
at a time, and after the revisions for changed counts.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from streams.errors import PreconditionError
from streams.resources import sql
from streams.settings import Settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection, facts_connection, source_connection
from streams.store.installation import require_installation

LOOKED_AT_ONCE = 20_000
"""The most runs that a transaction looks at: a close has to wait for the transaction."""

PATIENCE = 60.0
"""Seconds without any progress after which the wait for the workers fails."""
_POLL = 0.2


@dataclass(frozen=True)
class Revised:
    """The result: the numbers of windows without the present pairs, and of revised windows."""

    requested: int
    revised: int
    seconds: float


@dataclass(frozen=True)
class RevisionProgress:
    """The numbers of requested windows that still wait, and of windows revised since the request."""

    waiting: int
    revised: int


async def revise_to_present_pairs(
    settings: Settings, scope: ClosedScope, on_progress: Callable[[RevisionProgress], None]
) -> Revised:
    """Request revisions of the windows in `scope`, and wait until the workers have published them.

    Raises PreconditionError if no worker proves or publishes anything for PATIENCE seconds; requests are kept.
    """
    began = time.monotonic()
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        await _stages_are_read(settings, facts)
        since = await facts.fetchval("select clock_timestamp()")
        requested = await request_present_pairs(facts, scope)
        progress, moved = RevisionProgress(requested, 0), time.monotonic()
        while progress.waiting:
            await asyncio.sleep(_POLL)
            now = await revision_progress(facts, since)
            progress, moved = now, time.monotonic() if now != progress else moved
            on_progress(progress)
            if time.monotonic() - moved > PATIENCE:
                raise PreconditionError(
                    f"{progress.waiting} windows wait to be revised and no worker publishes: see "
                    "`funnelproof status`; the requests are kept, and done by the next worker that runs"
                )
    return Revised(requested, progress.revised, time.monotonic() - began)


async def _stages_are_read(settings: Settings, facts: Connection) -> None:
    """Wait for a proof that begins after now: the proof brings the CRM's present stages."""
    async with source_connection(settings) as source:
        now = await source.fetchval("select clock_timestamp()")
    deadline = time.monotonic() + PATIENCE
    while not await facts.fetchval(sql("queries/publish/proven_since"), now):
        if time.monotonic() > deadline:
            raise PreconditionError(
                "no worker proves anything, so the pairs of now are not known: see `funnelproof status`"
            )
        await asyncio.sleep(_POLL)


async def request_present_pairs(facts: Connection, scope: ClosedScope) -> int:
    """Mark the closed windows in `scope` that lack the present pairs; return their number."""
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
    """Return the number of waiting requests, and the number of windows revised since `since`."""
    row = await facts.fetchrow(sql("queries/publish/revise_progress"), since)
    assert row is not None  # noqa: S101 - the statement always returns one row
    return RevisionProgress(row["waiting"], row["revised"])
