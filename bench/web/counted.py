"""Counts of windows from the two places to which the page is held: the views, and the canonical SQL over the CRM."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from asyncpg import Record

from bench.statements import statement
from bench.web.crm import Funnel
from bench.web.shown import Count, Counted
from streams.resources import sql
from streams.store.database import OwnConnection

MOST_WINDOWS = 60
"""The windows of the page's trend."""


async def live(connection: OwnConnection, funnel: Funnel, kind: str) -> Counted:
    """Return what the live view has of the newest open window."""
    rows = await connection.fetch(statement("web_live"), funnel.tenant, funnel.pipeline, kind)
    return next(_windows(rows, funnel))


async def closed(connection: OwnConnection, funnel: Funnel, kind: str) -> list[Counted]:
    """Return what the view of closed windows has of the newest windows, the newest first."""
    scope = funnel.tenant, funnel.pipeline, kind, MOST_WINDOWS
    return list(_windows(await connection.fetch(statement("web_closed"), *scope), funnel))


async def canonical(connection: OwnConnection, funnel: Funnel, window: Counted) -> Counted:
    """Return what the canonical SQL counts in a window now."""
    scope = funnel.tenant, funnel.pipeline, window.start, window.end
    rows = await connection.fetch(sql("canonical/stage_conversion"), *scope, None)
    return Counted(window.start, window.end, _pairs(rows, funnel), window.run_id)


def settled(windows: Iterable[Counted], now: datetime, age: timedelta) -> list[Counted]:
    """Return the windows that ended so long ago."""
    return [window for window in windows if now - window.end >= age]


def _windows(rows: Iterable[Record], funnel: Funnel) -> Iterator[Counted]:
    for start, each in groupby(rows, itemgetter("window_start")):
        pairs = list(each)
        yield Counted(start, pairs[0]["window_end"], _pairs(pairs, funnel), pairs[0].get("run_id"))


def _pairs(rows: Iterable[Record], funnel: Funnel) -> dict[tuple[UUID, UUID], Count]:
    """Return the counts of the neighbouring stages."""
    found = {
        (row["from_stage_id"], row["to_stage_id"]): Count(row["entered_count"], row["converted_count"])
        for row in rows
    }
    neighbours = zip(funnel.stages, funnel.stages[1:], strict=False)
    return {pair: found[pair] for pair in neighbours}
