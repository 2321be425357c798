"""Operations, for programs and for engineers: only readers who see all tenants may ask."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from streams.web.answers import answer
from streams.web.errors import UnknownError
from streams.web.followed import OperationsPage
from streams.web.headers import FRESH
from streams.web.operation_model import Operations
from streams.web.operations import read_operations
from streams.web.parameters import Read, Reader
from streams.web.problems import PROBLEMS
from streams.web.render import render_operations_page
from streams.web.scope import Scope
from streams.web.streaming import stream_of

router = APIRouter()


async def operator_of(reader: Reader) -> Scope:
    """Return the reader. Raises UnknownError for a reader who may not see operations: there is nothing to see."""
    if not reader.operates:
        raise UnknownError("there is no such page")
    return reader


Operator = Annotated[Scope, Depends(operator_of)]


@router.get("/api/v1/operations", response_model=Operations, responses=PROBLEMS, tags=["operations"])
async def told(request: Request, _: Operator, read: Read) -> Response:
    """Return the state of the installation: workers, partitions, proof, doubts, dead letters, comparisons, receivers.

    For readers of all tenants with the permission for operations.
    """
    return answer(request, await read_operations(read, _grace(request)))


@router.get("/operations", include_in_schema=False)
async def page(request: Request, reader: Operator, read: Read) -> Response:
    """Show the state of the installation."""
    found = await read_operations(read, _grace(request))
    return HTMLResponse(render_operations_page(found, reader), headers=FRESH)


@router.get("/operations/live", include_in_schema=False)
async def live(request: Request, reader: Operator) -> Response:
    """Stream the parts of the page that change."""
    return await stream_of(request, OperationsPage(reader, _grace(request)))


def _grace(request: Request) -> timedelta:
    grace: timedelta = request.app.state.grace
    return grace
