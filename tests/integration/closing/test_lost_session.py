"""A session that Postgres has ended, used before its socket's end was seen: a moment that kills make now and then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import asyncpg
import pytest

from streams.completeness.source import read_source
from streams.store.keep_trying import PASSING_ERRORS


class SlowLine:
    """Between a client and Postgres: passes everything on, but the end of a session only when `hang_up` is called."""

    def __init__(self, dsn: str) -> None:
        self._server = urlsplit(dsn)
        self._lines: list[asyncio.StreamWriter] = []

    async def open(self) -> str:
        """Return the address to use instead."""
        self._listening = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port = self._listening.sockets[0].getsockname()[1]
        user = self._server.netloc.rpartition("@")[0]
        return self._server._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    def hang_up(self) -> None:
        while self._lines:
            self._lines.pop().transport.abort()

    async def close(self) -> None:
        self.hang_up()
        self._listening.close()

    async def _carry(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._lines += [to_client, to_server]
        await asyncio.gather(_pass_on(from_client, to_server), _pass_on(from_server, to_client))


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await source.read(65_536):
            target.write(some)


@pytest.fixture
async def line(database: str) -> AsyncIterator[SlowLine]:
    line = SlowLine(database)
    yield line
    await line.close()


async def test_a_session_that_was_ended_a_moment_ago_is_a_passing_fault(
    database: str, line: SlowLine
) -> None:
    connection = await asyncpg.connect(await line.open())
    await read_source(connection)
    other = await asyncpg.connect(database)
    await other.execute("select pg_terminate_backend($1)", connection.get_server_pid())
    await other.close()
    await asyncio.sleep(0.2)
    with pytest.raises(asyncpg.InternalClientError) as told:
        await read_source(connection)
    connection.terminate()
    assert isinstance(told.value, PASSING_ERRORS)
