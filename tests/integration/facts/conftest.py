"""Sessions in a database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from streams.store.database import OwnConnection
from tests.servers import new_database


@pytest.fixture
async def connection(database: str) -> AsyncIterator[OwnConnection]:
    async with _connection(database) as connection:
        yield connection


@pytest.fixture
async def other_connection(database: str) -> AsyncIterator[OwnConnection]:
    """A second session in the same database."""
    async with _connection(database) as connection:
        yield connection


@pytest.fixture
async def empty_connection(empty_database: str) -> AsyncIterator[OwnConnection]:
    async with _connection(empty_database) as connection:
        yield connection


@pytest.fixture(scope="session")
async def shared_connection(postgres_dsn: str, template: str) -> AsyncIterator[OwnConnection]:
    """One connection for many examples, each of which rolls back what it wrote."""
    async with new_database(postgres_dsn, template) as dsn, _connection(dsn) as connection:
        yield connection


@asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[OwnConnection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
