"""Findings and repairs, for programs and for people; the deals behind, for readers with the permission for deals."""

from collections.abc import Set as AbstractSet
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from streams.web.answers import listed, with_table
from streams.web.api import CSV
from streams.web.audit import note_look
from streams.web.finding_model import (
    Finding,
    FindingRow,
    FindingWithRows,
    Repair,
    RepairAction,
    RepairWithActions,
)
from streams.web.findings import (
    ON_PAGE,
    Of,
    State,
    read_finding,
    read_findings,
    read_repair,
    read_repairs,
)
from streams.web.headers import FRESH
from streams.web.model import Page
from streams.web.parameters import (
    Cursor,
    Format,
    Instant,
    Limit,
    PipelineId,
    Read,
    Reader,
    Tenant,
    WindowName,
)
from streams.web.problems import PROBLEMS
from streams.web.render import render
from streams.web.scope import DEALS, Scope

router = APIRouter()

Number = Annotated[int, Path(ge=1, lt=2**31)]
Start = Annotated[Instant | None, Query(description="The start of the window, an instant with offset.")]
Which = Annotated[
    State, Query(description="Findings of windows that still differ; those found equal since; or all.")
]


def windows_of(
    tenant: Tenant | None = None,
    pipeline: PipelineId | None = None,
    window: WindowName | None = None,
    start: Start = None,
) -> Of:
    """Return the windows that the parameters name."""
    return Of(tenant, pipeline, window, start)


Windows = Annotated[Of, Depends(windows_of)]


@router.get("/api/v1/findings", response_model=Page[Finding], responses=PROBLEMS | CSV, tags=["findings"])
async def findings(
    request: Request,
    read: Read,
    reader: Reader,
    of: Windows,
    state: Which = "open",
    cursor: Cursor = None,
    limit: Limit = 100,
    form: Format = "json",
) -> Response:
    """Return why closed windows differ from the canonical SQL, the newest finding first."""
    page = await _findings(request, read, reader, of, state, cursor, limit)
    return listed(request, "findings", page, Finding, form)


@router.get(
    "/api/v1/findings/{number}", response_model=FindingWithRows, responses=PROBLEMS | CSV, tags=["findings"]
)
async def finding(
    request: Request, read: Read, reader: Reader, number: Number, form: Format = "json"
) -> Response:
    """Return a finding with its rows, as the CRM and the log have the rows."""
    found = await read_finding(read, number, shows_deals=DEALS in reader.may)
    _note(request, reader, {found.tenant_id}, {found.deal_id})
    return with_table(request, "finding", found, found.rows, FindingRow, form)


@router.get("/api/v1/repairs", response_model=Page[Repair], responses=PROBLEMS | CSV, tags=["findings"])
async def repairs(
    request: Request, read: Read, cursor: Cursor = None, limit: Limit = 100, form: Format = "json"
) -> Response:
    """Return the repairs, the newest first: by whom, when, why, with what outcome."""
    return listed(request, "repairs", await read_repairs(read, Of(), cursor, limit), Repair, form)


@router.get(
    "/api/v1/repairs/{number}",
    response_model=RepairWithActions,
    responses=PROBLEMS | CSV,
    tags=["findings"],
)
async def repair(
    request: Request, read: Read, reader: Reader, number: Number, form: Format = "json"
) -> Response:
    """Return a repair with its actions."""
    found = await read_repair(read, number, shows_deals=DEALS in reader.may)
    tenants = {each.tenant_id for each in found.actions if each.deal_id is not None}
    _note(request, reader, tenants, {each.deal_id for each in found.actions})
    return with_table(request, "repair", found, found.actions, RepairAction, form)


@router.get("/findings", include_in_schema=False)
async def page(
    request: Request,
    read: Read,
    reader: Reader,
    of: Windows,
    state: Which = "open",
    cursor: Cursor = None,
) -> Response:
    """Show findings; a finding leads to a window and to a deal."""
    found = await _findings(request, read, reader, of, state, cursor, ON_PAGE)
    text = render("findings", reader, page=found, state=state, shows_deals=DEALS in reader.may)
    return HTMLResponse(text, headers=FRESH)


async def _findings(
    request: Request, read: Read, reader: Scope, of: Of, state: State, cursor: str | None, most: int
) -> Page[Finding]:
    found = await read_findings(read, of, state, cursor, most, shows_deals=DEALS in reader.may)
    _note(request, reader, {each.tenant_id for each in found.items}, {each.deal_id for each in found.items})
    return found


def _note(
    request: Request, reader: Scope, tenants: AbstractSet[UUID | None], shown: AbstractSet[UUID | None]
) -> None:
    deals = len(shown - {None})
    if deals:
        whose = sorted(str(tenant) for tenant in tenants if tenant is not None)
        note_look(request, reader, "deals shown", tenants=whose, path=request.url.path, deals=deals)
