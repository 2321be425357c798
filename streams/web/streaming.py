"""Streams of pages that are followed, each for as long as the gate knows the reader."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.responses import StreamingResponse

from streams.web.errors import WebError
from streams.web.feed import Feed
from streams.web.followed import Followed
from streams.web.gate import Gate
from streams.web.headers import FRESH
from streams.web.scope import Scope

CHECK_SECONDS = 60.0
"""Seconds after which the reader of an open stream is asked for again."""


async def stream_of(request: Request, page: Followed) -> StreamingResponse:
    """Return the parts of `page` that change, as an endless answer. Raises WebError if the page cannot be read."""
    feed: Feed = request.app.state.feed
    messages = await feed.follow(page)
    headers = {**FRESH, "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _while_known(request, page.scope, messages), media_type="text/event-stream", headers=headers
    )


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
