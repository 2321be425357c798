"""A session that Postgres has ended, used before its socket's end was seen: a moment that kills make now and then."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from streams.completeness.source import read_source
from streams.store.keep_trying import PASSING_ERRORS
from tests.line import Line


@pytest.fixture
async def line(database: str) -> AsyncIterator[Line]:
    line = Line(database, tells_ends=False)
    await line.mend()
    yield line
    line.cut()


async def test_a_session_that_was_ended_a_moment_ago_is_a_passing_fault(database: str, line: Line) -> None:
    connection = await asyncpg.connect(line.address)
    await read_source(connection)
    other = await asyncpg.connect(database)
    await other.execute("select pg_terminate_backend($1)", connection.get_server_pid())
    await other.close()
    await asyncio.sleep(0.2)
    with pytest.raises(asyncpg.InternalClientError) as told:
        await read_source(connection)
    connection.terminate()
    assert isinstance(told.value, PASSING_ERRORS)
