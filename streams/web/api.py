"""The API under `/api/v1`: what the page shows, for programs, as JSON and every table as CSV."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from streams.web.alert_model import Alert, AlertEvent
from streams.web.answers import answer, listed, table
from streams.web.freshness import health_of
from streams.web.funnels import read_funnel
from streams.web.lists import (
    read_alert_events,
    read_alerts,
    read_ledger,
    read_pipelines,
    read_reconciliations,
    read_run,
    read_runs,
    read_trend,
    read_windows,
)
from streams.web.model import (
    Funnel,
    Health,
    Page,
    Pair,
    Pipeline,
    Point,
    Reconciliation,
    Run,
    RunWithFacts,
    Window,
)
from streams.web.parameters import (
    At,
    Compared,
    Cursor,
    Format,
    Limit,
    PipelineId,
    Read,
    Search,
    Somewhere,
    Stage,
    Tenant,
)
from streams.web.problems import PROBLEMS

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)

CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The rows, with an ETag."},
    304: {"description": "The client has the rows of this ETag."},
}
"""The answer of a list besides JSON, for OpenAPI."""
_PAIR = (
    "from_stage_id", "from_stage", "to_stage_id", "to_stage", "entered", "converted", "rate", "low", "high", "of_first",
    "entered_before", "converted_before", "rate_before", "change", "change_low", "change_high",
    "time_low", "time_median", "time_high", "expected_state", "expected_until", "expected", "expected_low",
    "expected_high", "expected_entered", "expected_converted",
)  # fmt: skip


@router.get("/pipelines", response_model=Page[Pipeline], responses=CSV)
async def pipelines(
    request: Request,
    read: Read,
    q: Search = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    form: Format = "json",
) -> Response:
    """Return the pipelines that the reader may see."""
    return listed(request, "pipelines", await read_pipelines(read, q, cursor, limit), Pipeline, form)


@router.get("/windows", response_model=Page[Window], responses=CSV)
async def windows(
    request: Request,
    read: Read,
    place: Somewhere,
    cursor: Cursor = None,
    limit: Limit = 100,
    form: Format = "json",
) -> Response:
    """Return the windows of a pipeline, open ones first, then the newest first."""
    return listed(request, "windows", await read_windows(read, place, cursor, limit), Window, form)


@router.get("/funnel", response_model=Funnel, responses=CSV)
async def funnel(
    request: Request,
    read: Read,
    place: Somewhere,
    at: At = None,
    compare: Compared = "previous",
    form: Format = "json",
) -> Response:
    """Return the counts of every pair of stages in a window, and in the window compared with."""
    found = await read_funnel(read, place, at, compare)
    if form == "csv":
        return table(request, "funnel", map(pair_row, found.pairs), _PAIR, None)
    return answer(request, found)


@router.get("/trend", response_model=Page[Point], responses=CSV)
async def trend(
    request: Request,
    read: Read,
    place: Somewhere,
    from_stage: Stage,
    to_stage: Stage,
    cursor: Cursor = None,
    limit: Limit = 60,
    form: Format = "json",
) -> Response:
    """Return the counts of a pair of stages in the closed windows, the newest first."""
    page = await read_trend(read, place, (from_stage, to_stage), cursor, limit)
    if form == "csv":
        rows = (
            {**point.window.model_dump(), **_counts(point.counts), **_counts(point.first, "_first")}
            for point in page.items
        )
        columns = (*Window.model_fields, *_counts(None), *_counts(None, "_first"))
        return table(request, "trend", rows, columns, page.next)
    return answer(request, page)


@router.get("/ledger", response_model=Page[Window], responses=CSV)
async def ledger(
    request: Request,
    read: Read,
    place: Somewhere,
    cursor: Cursor = None,
    limit: Limit = 100,
    form: Format = "json",
) -> Response:
    """Return the closed windows: when closed, how often and why revised, on which proof."""
    return listed(request, "ledger", await read_ledger(read, place, cursor, limit), Window, form)


@router.get("/runs", response_model=Page[Run], responses=CSV)
async def runs(
    request: Request,
    read: Read,
    place: Somewhere,
    cursor: Cursor = None,
    limit: Limit = 100,
    form: Format = "json",
) -> Response:
    """Return every revision of the closed windows, the newest window and the latest revision first."""
    return listed(request, "runs", await read_runs(read, place, cursor, limit), Run, form)


@router.get("/runs/{run_id}", response_model=RunWithFacts, responses=CSV)
async def run(request: Request, read: Read, run_id: UUID, form: Format = "json") -> Response:
    """Return a run with proof and facts."""
    found = await read_run(read, run_id)
    if form == "csv":
        return table(request, "run", map(pair_row, found.pairs), _PAIR, None)
    return answer(request, found)


@router.get("/reconciliations", response_model=Page[Reconciliation], responses=CSV)
async def reconciliations(
    request: Request, read: Read, cursor: Cursor = None, limit: Limit = 100, form: Format = "json"
) -> Response:
    """Return the comparisons with the canonical SQL, the newest first."""
    page = await read_reconciliations(read, cursor, limit)
    return listed(request, "reconciliations", page, Reconciliation, form)


@router.get("/alerts", response_model=Page[Alert], responses=CSV)
async def alerts(
    request: Request,
    read: Read,
    tenant: Tenant | None = None,
    pipeline: PipelineId | None = None,
    limit: Limit = 100,
    form: Format = "json",
) -> Response:
    """Return the alerts that are on, the newest first."""
    return listed(request, "alerts", await read_alerts(read, tenant, pipeline, limit), Alert, form)


@router.get("/alerts/events", response_model=Page[AlertEvent], responses=CSV)
async def alert_events(
    request: Request,
    read: Read,
    tenant: Tenant | None = None,
    pipeline: PipelineId | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    form: Format = "json",
) -> Response:
    """Return the transitions of alerts, the newest first."""
    page = await read_alert_events(read, tenant, pipeline, cursor, limit)
    return listed(request, "alert-events", page, AlertEvent, form)


@router.get("/health", response_model=Health)
async def health(request: Request, read: Read) -> Response:
    """Return how fresh and how sure the numbers are."""
    last = await read_reconciliations(read, None, 1)
    return answer(request, health_of(await read.row("pulse"), next(iter(last.items), None)))


def pair_row(pair: Pair) -> dict[str, object]:
    """Return a pair as a row of a table."""
    change, time, expected = pair.change, pair.time_to_convert, pair.expected
    return {
        **pair.model_dump(include={"from_stage_id", "from_stage", "to_stage_id", "to_stage", "of_first"}),
        **_counts(pair.counts),
        **_counts(pair.before, "_before"),
        "change": change and change.points,
        "change_low": change and change.low,
        "change_high": change and change.high,
        **{f"time_{name}": time and getattr(time, name) for name in ("low", "median", "high")},
        "expected_state": expected and expected.state,
        "expected": expected and expected.expected,
        **{
            f"expected_{name}": expected and getattr(expected, name)
            for name in ("until", "low", "high", "entered", "converted")
        },
    }


def _counts(counts: BaseModel | None, suffix: str = "") -> dict[str, object]:
    names = ("entered", "converted", "rate", "low", "high")
    return {name + suffix: getattr(counts, name, None) for name in names}
