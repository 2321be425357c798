"""The parameters of requests: form and meaning, for the API and the page alike."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from streams.web.database import Database, Reading
from streams.web.deals import Which
from streams.web.funnels import Place, find
from streams.web.gate import Gate
from streams.web.place import Compare
from streams.web.scope import Scope

_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2500, 1, 1, tzinfo=UTC)


def _known_to_postgres(instant: datetime) -> datetime:
    """Return the instant, or the nearest one that Postgres has in every timezone: no window is as far away."""
    return min(max(instant, _EARLIEST), _LATEST)


def _is_written_out(value: object) -> object:
    """Refuse a number: pydantic would take a number for the seconds since 1970."""
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?[0-9.]+\s*", value):
        raise ValueError("is a number: write an instant with its offset, as 2026-11-23T00:00:00Z")
    return value


Instant = Annotated[AwareDatetime, AfterValidator(_known_to_postgres), BeforeValidator(_is_written_out)]
Tenant = Annotated[UUID, Query(description="The tenant's identifier.")]
PipelineId = Annotated[UUID, Query(description="The pipeline's identifier.")]
WindowName = Annotated[
    str, Query(pattern=r"^[a-z0-9]{1,20}$", description="The kind of window, as hour, day or 15s.")
]
At = Annotated[
    Instant | None,
    Query(
        description="An instant with offset: the window that holds the instant. Default: the newest window."
    ),
]
Compared = Annotated[
    Compare, Query(description="The window to compare with: the closed window before, or none.")
]
Stage = Annotated[UUID, Query(description="The stage's identifier.")]
RunId = Annotated[
    UUID | None,
    Query(
        description="A run of the pipeline, in the place of `at`. Default: the latest result of the window."
    ),
]
Kind = Annotated[
    Which, Query(description="The deals that entered; of these, the converted ones or the others.")
]
Search = Annotated[
    str | None,
    Query(
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="A part of a tenant's or pipeline's name or identifier.",
    ),
]
Cursor = Annotated[
    str | None,
    Query(min_length=1, max_length=300, description="`next` of the page before. Default: the first page."),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="The most rows of a page.")]
Format = Annotated[Literal["json", "csv"], Query(alias="format", description="The form of the answer.")]


async def scope_of(request: Request) -> Scope:
    """Return the reader. Raises as `Gate.scope` does."""
    gate: Gate = request.app.state.gate
    return await gate.scope(request)


Reader = Annotated[Scope, Depends(scope_of)]


async def reading_of(request: Request, reader: Reader) -> AsyncIterator[Reading]:
    """Hold a snapshot with the reader's rows while the request is answered."""
    database: Database = request.app.state.database
    async with database.reading(reader) as read:
        yield read


Read = Annotated[Reading, Depends(reading_of, scope="function")]


async def place_of(read: Read, tenant: Tenant, pipeline: PipelineId, window: WindowName = "day") -> Place:
    """Return the place that the parameters name. Raises as `find` does."""
    return await find(read, tenant, pipeline, window)


Somewhere = Annotated[Place, Depends(place_of)]
