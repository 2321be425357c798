"""The deals behind a number, for programs and for people. The reader's tenants are looked at before anything else."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from streams.web.answers import with_table
from streams.web.api import CSV
from streams.web.audit import note_look
from streams.web.database import Database
from streams.web.deal_model import Deal, DealRow, DealRows, Deals
from streams.web.deals import Number, Which, find_number, read_deal, read_deals, stage_names
from streams.web.errors import SilentDatabaseError, UnknownError
from streams.web.events import with_log
from streams.web.funnels import Place, find, window_at
from streams.web.headers import FRESH
from streams.web.parameters import (
    At,
    Cursor,
    Format,
    Kind,
    Limit,
    PipelineId,
    Reader,
    RunId,
    Stage,
    Tenant,
    WindowName,
)
from streams.web.place import Address
from streams.web.problems import PROBLEMS, RETRY_SECONDS
from streams.web.render import render
from streams.web.scope import DEALS, Scope
from streams.web.source import DEALS_SETTING, Source

router = APIRouter()
log = structlog.get_logger(__name__)

_ROWS = 100
_PERMISSION = (
    "deals are shown to readers with the permission for deals: `funnelproof dashboard token add` gives it"
)
_NO_SOURCE = f"the page has no login for the CRM's deals: set {DEALS_SETTING}, as docs/dashboard.md says"


class Look:
    """A reader's look at the deals of a pipeline. Every look is a line in the log."""

    def __init__(
        self,
        request: Request,
        reader: Reader,
        tenant: Tenant,
        pipeline: PipelineId,
        window: WindowName = "day",
    ) -> None:
        self._database: Database = request.app.state.database
        self.source: Source | None = request.app.state.source
        self._worker_url: str | None = request.app.state.worker_url
        self.reader: Scope = reader
        self._where = tenant, pipeline, window
        self._request = request

    async def number(self, at: datetime | None, run: UUID | None, stages: tuple[UUID, UUID]) -> Number:
        """Return the number. Raises UnknownError for what the reader does not see, and without the permission."""
        async with self._database.reading(self.reader) as read:
            place = await find(read, *self._where)
            self._permit(place)
            return await find_number(read, place, at, run, stages)

    async def deals(self, number: Number, which: Which, cursor: str | None, most: int) -> Deals:
        """Return a page of the deals behind a number. Raises SilentDatabaseError, UnknownError without a source."""
        async with self._required().reading() as source:
            found = await read_deals(source, number, which, cursor, most)
        stages = {"from_stage": str(found.from_stage_id), "to_stage": str(found.to_stage_id)}
        self._note(number.place, "deals shown", which=which, deals=len(found.items), **stages,
                   start=found.window.start.isoformat())  # fmt: skip
        return found

    async def deal(self, deal_id: UUID, at: datetime | None) -> tuple[Place, DealRows]:
        """Return the rows of a deal. Raises as `number` and `deals` do."""
        async with self._database.reading(self.reader) as read:
            place = await find(read, *self._where)
            self._permit(place)
            window = await window_at(read, place, at)
            names = await stage_names(read, place)
        async with self._required().reading() as source:
            rows = await read_deal(source, place, window, deal_id, names)
        found = await with_log(self._worker_url, rows, names)
        self._note(place, "deal shown", deal=str(deal_id), rows=len(found.rows))
        return place, found

    def _permit(self, place: Place) -> None:
        if DEALS not in self.reader.may:
            self._note(place, "deals refused")
            raise UnknownError(_PERMISSION)

    def _required(self) -> Source:
        if self.source is None:
            raise UnknownError(_NO_SOURCE)
        return self.source

    def _note(self, place: Place, event: str, **what: object) -> None:
        note_look(self._request, self.reader, event, **place.where, **what)


Looked = Annotated[Look, Depends(Look)]


@router.get("/api/v1/deals", response_model=Deals, responses=PROBLEMS | CSV)
async def deals(
    request: Request,
    look: Looked,
    from_stage: Stage,
    to_stage: Stage,
    which: Kind = "entered",
    at: At = None,
    run: RunId = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    form: Format = "json",
) -> Response:
    """Return the deals behind a count of a pair of stages, from the CRM's rows, and whether they are as many."""
    number = await look.number(at, run, (from_stage, to_stage))
    found = await look.deals(number, which, cursor, limit)
    return with_table(request, "deals", found, found.items, Deal, form, found.next)


@router.get("/api/v1/deals/{deal_id}", response_model=DealRows, responses=PROBLEMS | CSV)
async def deal(
    request: Request, look: Looked, deal_id: UUID, at: At = None, form: Format = "json"
) -> Response:
    """Return the rows of a deal in a pipeline, and which of them are first entries in a window."""
    _, found = await look.deal(deal_id, at)
    return with_table(request, "deal", found, found.rows, DealRow, form)


@router.get("/deals", include_in_schema=False)
async def deals_page(
    look: Looked,
    from_stage: Stage,
    to_stage: Stage,
    which: Kind = "entered",
    at: At = None,
    run: RunId = None,
    cursor: Cursor = None,
) -> Response:
    """Show the deals behind a number; without a login for the CRM, how to get one."""
    number = await look.number(at, run, (from_stage, to_stage))
    found, silent = None, ""
    try:
        found = await look.deals(number, which, cursor, _ROWS) if look.source else None
    except SilentDatabaseError as error:
        log.warning("deals not shown", error=str(error))
        silent = str(error)
    place = number.place
    address = Address(place.tenant_id, place.pipeline_id, place.window, number.latest.start)
    text = render(
        "deals", look.reader, number=number, which=which, found=found, silent=silent, address=address, place=place,
        run=run, has_source=look.source is not None,
    )  # fmt: skip
    if silent:
        return HTMLResponse(text, 503, {**FRESH, "Retry-After": str(RETRY_SECONDS)})
    return HTMLResponse(text, headers=FRESH)


@router.get("/deals/{deal_id}", include_in_schema=False)
async def deal_page(look: Looked, deal_id: UUID, at: At = None) -> Response:
    """Show the rows of a deal, and which of them are first entries in a window."""
    place, found = await look.deal(deal_id, at)
    address = Address(place.tenant_id, place.pipeline_id, place.window, found.window.start)
    return HTMLResponse(render("deal", look.reader, deal=found, place=place, address=address), headers=FRESH)
