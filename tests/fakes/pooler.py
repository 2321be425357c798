"""Poolers as PgBouncer is one: a refusal at the start of a session, and one session for several clients."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

SSL_REQUEST = 80877103
DONE = (0, 12)
"""Kinds of an authentication message that ask the client for nothing."""
OWN_KEY = struct.pack("!cIII", b"K", 12, 4_000_000_000, 1)
"""What a pooler says in place of Postgres: a process id of its own, and a secret."""


@asynccontextmanager
async def refusing_pooler(dsn: str) -> AsyncIterator[str]:
    """Refuse each session for its startup parameter, as PgBouncer does; give the address to use in place of `dsn`."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await _startup(reader, writer)
            text = b"unsupported startup parameter: idle_in_transaction_session_timeout"
            fields = b"SFATAL\0VFATAL\0C08P01\0M" + text + b"\0\0"
            writer.write(struct.pack("!cI", b"E", len(fields) + 4) + fields)
            await writer.drain()
        writer.close()

    async with _served(dsn, refuse) as address:
        yield address


@asynccontextmanager
async def sharing_pooler(dsn: str) -> AsyncIterator[str]:
    """Lend one session of Postgres to all clients, a request at a time, as transaction pooling does."""
    session = SharedSession(dsn)
    async with _served(dsn, session.lend) as address:
        yield address
    session.close()


class SharedSession:
    """One session of Postgres for all clients."""

    def __init__(self, dsn: str) -> None:
        self._server = urlsplit(dsn)
        self._turn = asyncio.Lock()
        self._greeting: list[bytes] = []
        self._far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def lend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client until the client goes."""
        with suppress(OSError, asyncio.IncompleteReadError):
            startup = await _startup(reader, writer)
            async with self._turn:
                server, to_server = await self._greet(startup, reader, writer)
            while (request := await _message(reader))[:1] != b"X":
                async with self._turn:
                    await asyncio.gather(_pass_up(request, reader, to_server), _pass_down(server, writer))
        writer.close()

    def close(self) -> None:
        """End the session."""
        if self._far is not None:
            self._far[1].close()

    async def _greet(
        self, startup: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Let the first client log in; tell later clients what Postgres told the first."""
        if self._far is not None:
            writer.write(struct.pack("!cII", b"R", 8, 0) + b"".join(self._greeting))
            return self._far
        server, to_server = await asyncio.open_connection(self._server.hostname, self._server.port)
        to_server.write(startup)
        told = b""
        while told[:1] != b"Z":
            told = await _message(server)
            if told[:1] == b"K":
                told = OWN_KEY
            if told[:1] in (b"S", b"K", b"Z"):
                self._greeting.append(told)
            writer.write(told)
            if told[:1] == b"R" and struct.unpack("!I", told[5:9])[0] not in DONE:
                to_server.write(await _message(reader))
        self._far = server, to_server
        return self._far


async def _pass_up(first: bytes, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
    """Pass a request on, from its first message to its last."""
    message = first
    to_server.write(message)
    while message[:1] not in (b"S", b"Q"):
        message = await _message(reader)
        to_server.write(message)


async def _pass_down(server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass an answer on, until Postgres is ready for the next request."""
    message = b""
    while message[:1] != b"Z":
        message = await _message(server)
        writer.write(message)


@asynccontextmanager
async def _served(dsn: str, serve: object) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)  # type: ignore[arg-type]  # two of the shapes it takes
    port = server.sockets[0].getsockname()[1]
    parts = urlsplit(dsn)
    try:
        yield parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
    finally:
        server.close()


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the startup message; a client's wish for TLS is refused."""
    while True:
        head = await reader.readexactly(4)
        body = await reader.readexactly(struct.unpack("!I", head)[0] - 4)
        if struct.unpack("!I", body[:4])[0] != SSL_REQUEST:
            return head + body
        writer.write(b"N")


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
