"""The CRM's database as its administrator sees it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from streams.store.database import OwnConnection


@pytest.fixture
async def crm(database: str) -> AsyncIterator[OwnConnection]:
    """An administrator's session in `database`."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()
