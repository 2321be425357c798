"""Real servers, each started when the first test asks for it; a database of its own for each test that wants one."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from streams.resources import sql
from streams.store.migrations import migrate
from tests.servers import Servers, new_database, running_servers

UNIT = Path(__file__).parent / "unit"


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Unit tests are those that need no server."""
    for item in items:
        if item.path.is_relative_to(UNIT) and "servers" in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(f"{item.nodeid} needs a server: it belongs under tests/integration")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="session")
def postgres_dsn(servers: Servers) -> str:
    """The address of a superuser's database."""
    return servers.postgres_dsn


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> str:
    """The bootstrap servers."""
    return servers.kafka


@pytest.fixture(scope="session")
def connect_url(servers: Servers) -> str:
    """Kafka Connect's address."""
    return servers.connect_url


@pytest.fixture(scope="session")
async def template(postgres_dsn: str) -> AsyncIterator[str]:
    """The name of a database with the CRM's tables and all migrations, to be cloned."""
    async with new_database(postgres_dsn, "template0") as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(sql("local/crm"))
        await migrate(connection)
        await connection.close()
        yield urlsplit(dsn).path.strip("/")


@pytest.fixture
async def database(postgres_dsn: str, template: str) -> AsyncIterator[str]:
    """The address of a database of this test's own, migrated, with the CRM's tables, all empty."""
    async with new_database(postgres_dsn, template) as dsn:
        yield dsn


@pytest.fixture
async def empty_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The address of a database of this test's own with nothing in it."""
    async with new_database(postgres_dsn, "template0") as dsn:
        yield dsn
