"""The page for people: pipelines, a pipeline's funnel, a run, alerts; and the stream that keeps a funnel live."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from streams.web.assets import assets
from streams.web.audit import note_look
from streams.web.errors import UnknownError
from streams.web.findings import read_window_findings
from streams.web.followed import AlertsPage, PipelinePage
from streams.web.funnels import find, window_kinds
from streams.web.headers import FRESH
from streams.web.lists import read_alert_board, read_pipelines, read_run
from streams.web.model import Window
from streams.web.parameters import At, Compared, Cursor, PipelineId, Read, Reader, Search, Tenant, WindowName
from streams.web.place import Address
from streams.web.render import render, render_alerts_page, render_page
from streams.web.scope import DEALS
from streams.web.streaming import stream_of
from streams.web.view import read_view

router = APIRouter(include_in_schema=False)

_LIST = 60
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_ID = r"[0-9a-fA-F-]{36}"
Pair = Annotated[str | None, Query(pattern=rf"^{_ID}\.{_ID}$")]


@router.get("/")
async def front(
    read: Read,
    reader: Reader,
    tenant: Tenant | None = None,
    pipeline: PipelineId | None = None,
    window: WindowName | None = None,
    at: At = None,
    compare: Compared = "previous",
    pair: Pair = None,
    q: Search = None,
    cursor: Cursor = None,
) -> Response:
    """Show the funnel of a pipeline; without a pipeline, the pipelines to choose from."""
    if tenant is None or pipeline is None:
        page = await read_pipelines(read, q, cursor, _LIST)
        if len(page.items) == 1 and q is None and cursor is None:
            only = page.items[0]
            query = urlencode({"tenant": only.tenant_id, "pipeline": only.pipeline_id})
            return RedirectResponse(f"/?{query}", headers=FRESH)
        return HTMLResponse(render("pipelines", reader, page=page, q=q or ""), headers=FRESH)
    if window is None:
        kinds = await window_kinds(read)
        if not kinds:
            raise UnknownError("no window is counted yet: start `funnelproof worker`")
        window = "day" if "day" in kinds else kinds[0]
    address = Address(tenant, pipeline, window, at, compare, _pair(pair))
    view = await read_view(read, address, shows_deals=DEALS in reader.may, operates=reader.operates)
    return HTMLResponse(render_page(view, reader), headers=FRESH)


@router.get("/live")
async def live(
    request: Request,
    reader: Reader,
    tenant: Tenant,
    pipeline: PipelineId,
    window: WindowName,
    at: At = None,
    compare: Compared = "previous",
    pair: Pair = None,
) -> Response:
    """Stream the parts of a pipeline's page that change."""
    address = Address(tenant, pipeline, window, at, compare, _pair(pair))
    return await stream_of(request, PipelinePage(reader, address))


@router.get("/windows/{run_id}")
async def run(request: Request, read: Read, reader: Reader, run_id: UUID) -> Response:
    """Show a run: its proof, its facts, why its window differs from the SQL, and the SQL of its numbers."""
    found = await read_run(read, run_id)
    address = Address(found.tenant_id, found.pipeline_id, found.window, found.start)
    place = await find(read, found.tenant_id, found.pipeline_id, found.window)
    window = Window(window=found.window, start=found.start, end=found.end, state="closed")
    differences = await read_window_findings(read, found)
    shows_deals = DEALS in reader.may
    if shows_deals and differences.deals:
        note_look(request, reader, "deals shown", **place.where, run=str(run_id), deals=differences.deals)
    text = render(
        "run", reader, run=found, window=window, timezone=place.timezone, address=address, differences=differences,
        shows_deals=shows_deals,
    )  # fmt: skip
    return HTMLResponse(text, headers=FRESH)


@router.get("/alerts")
async def alerts(read: Read, reader: Reader, cursor: Cursor = None) -> Response:
    """Show the alerts that are on, and what became of alerts."""
    board = await read_alert_board(read, cursor)
    return HTMLResponse(render_alerts_page(board, reader, is_live=cursor is None), headers=FRESH)


@router.get("/alerts/live")
async def live_alerts(request: Request, reader: Reader) -> Response:
    """Stream the parts of the page of alerts that change."""
    return await stream_of(request, AlertsPage(reader))


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """Return one of the page's files, for ever."""
    found = assets().get(name)
    if found is None:
        raise UnknownError("there is no such file")
    return Response(found.body, headers=_FOREVER, media_type=found.media_type)


def _pair(text: str | None) -> tuple[UUID, UUID] | None:
    if text is None:
        return None
    here, there = text.split(".")
    try:
        return UUID(here), UUID(there)
    except ValueError:
        return None
