"""The CRM's database as its administrator sees it, and tabs of a browser."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from streams.store.database import OwnConnection
from tests.integration.web.browser import Browser, Tab, running_browser


@pytest.fixture
async def crm(database: str) -> AsyncIterator[OwnConnection]:
    """An administrator's session in `database`."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser for the tests of a process."""
    async with running_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Tab]:
    """A tab of this test's own, with an empty profile."""
    async with browser.tab() as tab:
        yield tab
