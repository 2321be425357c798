"""The page for people: pipelines, a pipeline's funnel, a run, operations; and the stream that keeps a funnel live."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from streams.web.assets import assets
from streams.web.errors import UnknownError, WebError
from streams.web.feed import Feed
from streams.web.freshness import health_of
from streams.web.funnels import find, window_kinds
from streams.web.gate import Gate
from streams.web.headers import FRESH
from streams.web.lists import read_alert_events, read_alerts, read_pipelines, read_reconciliations, read_run
from streams.web.model import Window
from streams.web.parameters import At, Compared, Cursor, PipelineId, Read, Reader, Search, Tenant, WindowName
from streams.web.place import Address
from streams.web.render import render, render_page
from streams.web.scope import DEALS, Scope
from streams.web.view import read_view

router = APIRouter(include_in_schema=False)

CHECK_SECONDS = 60.0
"""Seconds after which the reader of an open stream is asked for again."""
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
        return HTMLResponse(render("pipelines", page=page, q=q or ""), headers=FRESH)
    if window is None:
        kinds = await window_kinds(read)
        if not kinds:
            raise UnknownError("no window is counted yet: start `funnelproof worker`")
        window = "day" if "day" in kinds else kinds[0]
    address = Address(tenant, pipeline, window, at, compare, _pair(pair))
    view = await read_view(read, address, shows_deals=DEALS in reader.may)
    return HTMLResponse(render_page(view), headers=FRESH)


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
    feed: Feed = request.app.state.feed
    address = Address(tenant, pipeline, window, at, compare, _pair(pair))
    messages = await feed.follow(reader, address)
    headers = {**FRESH, "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _while_known(request, reader, messages), media_type="text/event-stream", headers=headers
    )


@router.get("/windows/{run_id}")
async def run(read: Read, run_id: UUID) -> Response:
    """Show a run: its proof, its facts, and the SQL of its numbers."""
    found = await read_run(read, run_id)
    address = Address(found.tenant_id, found.pipeline_id, found.window, found.start)
    place = await find(read, found.tenant_id, found.pipeline_id, found.window)
    window = Window(window=found.window, start=found.start, end=found.end, state="closed")
    text = render("run", run=found, window=window, timezone=place.timezone, address=address)
    return HTMLResponse(text, headers=FRESH)


@router.get("/alerts")
async def alerts(read: Read, cursor: Cursor = None) -> Response:
    """Show the alerts that are on, and what became of alerts."""
    on = await read_alerts(read, None, None, _LIST)
    events = await read_alert_events(read, None, None, cursor, _LIST)
    return HTMLResponse(render("alerts", on=on.items, events=events), headers=FRESH)


@router.get("/operations")
async def operations(read: Read, reader: Reader) -> Response:
    """Show partitions, proofs, backlogs and reconciliations."""
    if "operations" not in reader.may:
        raise UnknownError("there is no such page")
    compared = await read_reconciliations(read, None, 10)
    text = render(
        "operations",
        health=health_of(await read.row("pulse"), next(iter(compared.items), None)),
        backlog=await read.row("backlog")
        or {"dead_letters": 0, "pending_revisions": 0, "unpublished_events": 0},
        partitions=await read.rows("progress"),
        reconciliations=compared.items,
    )
    return HTMLResponse(text, headers=FRESH)


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """Return one of the page's files, for ever."""
    found = assets().get(name)
    if found is None:
        raise UnknownError("there is no such file")
    return Response(found.body, headers=_FOREVER, media_type=found.media_type)


async def _while_known(
    request: Request, reader: Scope, messages: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Yield messages until the gate does not know the reader any more, or lets the reader see other tenants."""
    gate: Gate = request.app.state.gate
    loop = asyncio.get_running_loop()
    checked = loop.time()
    async for each in messages:
        if loop.time() - checked >= CHECK_SECONDS:
            checked = loop.time()
            try:
                if await gate.scope(request) != reader:
                    return
            except WebError:
                return
        yield each


def _pair(text: str | None) -> tuple[UUID, UUID] | None:
    if text is None:
        return None
    here, there = text.split(".")
    try:
        return UUID(here), UUID(there)
    except ValueError:
        return None
