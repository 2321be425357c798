"""Lists that are read page by page: pipelines, windows, runs, points of a trend, reconciliations."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from streams.web.alert_model import Alert, AlertEvent
from streams.web.cursor import decode_cursor, encode_cursor
from streams.web.database import Reading
from streams.web.errors import UnknownError
from streams.web.freshness import health_of
from streams.web.funnels import END_OF_TIME, Place, closed_windows, open_windows, pairs_of
from streams.web.history import read_history
from streams.web.model import (
    Health,
    Page,
    Pipeline,
    Point,
    Reconciliation,
    Run,
    RunWithFacts,
    Window,
)

T = TypeVar("T")
_NO_ID = UUID(int=0)
_NO_REVISION = 2**31 - 1
_ON_BOARD = 60


@dataclass(frozen=True)
class AlertBoard:
    """The alerts that are on, a page of their transitions, and how fresh the numbers are."""

    on: Page[Alert]
    events: Page[AlertEvent]
    health: Health


async def read_pipelines(read: Reading, search: str | None, cursor: str | None, most: int) -> Page[Pipeline]:
    """Return pipelines by tenant and pipeline; `search` is a part of a name or an identifier."""
    after = decode_cursor(cursor, tuple[UUID, UUID]) if cursor else (_NO_ID, _NO_ID)
    rows = await read.rows("pipelines", *after, search or None, most + 1)
    items = [Pipeline(**row) for row in rows]
    return page_of(items, most, lambda last: encode_cursor(last.tenant_id, last.pipeline_id))


async def read_windows(read: Reading, place: Place, cursor: str | None, most: int) -> Page[Window]:
    """Return the windows of a pipeline, the newest first; open windows are on the first page."""
    windows = [] if cursor else await open_windows(read, place)
    page = await read_ledger(read, place, cursor, most)
    return Page(items=(*windows, *page.items), next=page.next)


async def read_ledger(read: Reading, place: Place, cursor: str | None, most: int) -> Page[Window]:
    """Return the closed windows of a pipeline, the newest first, each with its revisions' causes."""
    windows = await closed_windows(read, place, _before(cursor), most + 1)
    return page_of(windows, most, lambda last: encode_cursor(last.start))


async def read_trend(
    read: Reading, place: Place, pair: tuple[UUID, UUID], cursor: str | None, most: int
) -> Page[Point]:
    """Return the counts of a pair in the closed windows of a pipeline, the newest first."""
    history = await read_history(read, place, _before(cursor), most + 1)
    points = history.points(pair)[::-1]
    return page_of(points, most, lambda last: encode_cursor(last.window.start))


async def read_runs(read: Reading, place: Place, cursor: str | None, most: int) -> Page[Run]:
    """Return every revision of the closed windows of a pipeline, the newest window and the latest revision first."""
    before = decode_cursor(cursor, tuple[datetime, int]) if cursor else (END_OF_TIME, _NO_REVISION)
    scope = place.tenant_id, place.pipeline_id, place.window
    rows = await read.rows("runs", *scope, *before, most + 1)
    return page_of(
        [Run(**_run(row)) for row in rows], most, lambda last: encode_cursor(last.start, last.revision)
    )


async def read_run(read: Reading, run_id: UUID) -> RunWithFacts:
    """Return a run with its facts. Raises UnknownError where the reader sees no such run."""
    row = await read.row("run", run_id)
    if row is None:
        raise UnknownError("there is no such run")
    facts = pairs_of(await read.rows("facts", row["tenant_id"], [run_id]))
    return RunWithFacts(**_run(row), pairs=tuple(facts))


async def read_alerts(
    read: Reading, tenant_id: UUID | None, pipeline_id: UUID | None, most: int
) -> Page[Alert]:
    """Return the alerts that are on, the newest first, `most` at most; None for every tenant or pipeline."""
    return Page(items=tuple(Alert(**row) for row in await read.rows("alerts", tenant_id, pipeline_id, most)))


async def read_alert_events(
    read: Reading, tenant_id: UUID | None, pipeline_id: UUID | None, cursor: str | None, most: int
) -> Page[AlertEvent]:
    """Return the transitions of alerts, the newest first; None for every tenant or pipeline."""
    (before,) = decode_cursor(cursor, tuple[int]) if cursor else (None,)
    rows = await read.rows("alert_events", tenant_id, pipeline_id, before, most + 1)
    return page_of([AlertEvent(**row) for row in rows], most, lambda last: encode_cursor(last.event_number))


async def read_alert_board(read: Reading, cursor: str | None = None) -> AlertBoard:
    """Return what the page of alerts shows."""
    last = await read_reconciliations(read, None, 1)
    return AlertBoard(
        await read_alerts(read, None, None, _ON_BOARD),
        await read_alert_events(read, None, None, cursor, _ON_BOARD),
        health_of(await read.row("pulse"), next(iter(last.items), None)),
    )


async def read_reconciliations(read: Reading, cursor: str | None, most: int) -> Page[Reconciliation]:
    """Return the reconciliations, the newest first."""
    (before,) = decode_cursor(cursor, tuple[int]) if cursor else (None,)
    items = [Reconciliation(**row) for row in await read.rows("reconciliations", before, most + 1)]
    return page_of(items, most, lambda last: encode_cursor(last.reconciliation_id))


def _before(cursor: str | None) -> datetime:
    if cursor is None:
        return END_OF_TIME
    (before,) = decode_cursor(cursor, tuple[datetime])
    return cast("datetime", before)


def _run(row: Mapping[str, Any]) -> dict[str, Any]:
    return named(row) | {"positions": json.loads(row["positions"])}


def named(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the database with the API's names of a window."""
    window = {"window": row["window_name"], "start": row["window_start"], "end": row.get("window_end")}
    return {**row, **window}


def page_of(items: Sequence[T], most: int, cursor: Callable[[T], str]) -> Page[T]:
    """Return the first `most` of the items, and the cursor of the last one of them if there are more."""
    shown = tuple(items[:most])
    return Page(items=shown, next=cursor(shown[-1]) if len(items) > most else None)
