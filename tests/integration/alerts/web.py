"""A web server that takes what alerts send, and answers as a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from aiohttp import web


@dataclass(frozen=True)
class Taken:
    """One request: its path, its headers by their names in lower case, its body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Site:
    """Requests so far, and the answers to the next ones; 200 when no answer is left."""

    taken: list[Taken] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        """The `webhook-id` of every request."""
        return [each.headers["webhook-id"] for each in self.taken]

    def answer(self, *answers: web.Response | int) -> None:
        """Answer the next requests like this."""
        self.answers += [
            answer if isinstance(answer, web.Response) else web.Response(status=answer) for answer in answers
        ]

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.taken.append(Taken(request.path_qs, headers, await request.read()))
        await self.open.wait()
        return self.answers.pop(0) if self.answers else web.Response(status=HTTPStatus.OK)


@asynccontextmanager
async def site(certificate: Path | None = None) -> AsyncIterator[Site]:
    """A running server. Clear `open` to let it hang."""
    shown = Site()
    context = None
    if certificate is not None:
        context, shown.scheme = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), "https"
        context.load_cert_chain(certificate)
    shown.open.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", shown.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        shown.port = runner.addresses[0][1]
        yield shown
    finally:
        shown.open.set()
        await runner.cleanup()


@asynccontextmanager
async def babbler() -> AsyncIterator[str]:
    """The address of a server that answers every request with what is no HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x00\xffwhat?\r\n\r\n" * 3)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
