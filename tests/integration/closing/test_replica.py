"""A reconciliation may read a streaming replica of the CRM's database, as far as the replica has replayed."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from streams.errors import PreconditionError
from streams.local.postgres import Postgres
from streams.local.postgres_home import home_in, programs, server_user
from streams.local.process import as_user
from streams.reconciliation.reader import Reader, ReplicaBehindError
from streams.store.database import OwnConnection
from tests.servers import EmbeddedServers

pytestmark = pytest.mark.thorough

POSITION = "select pg_current_wal_insert_lsn()"
IDENTIFIER = "select system_identifier::text from pg_control_system()"


@pytest.fixture(scope="module")
async def primary(own_servers: EmbeddedServers) -> AsyncIterator[OwnConnection]:
    connection = await asyncpg.connect(own_servers.postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def replica(
    own_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OwnConnection]:
    """A session of a server that was copied from `own_servers`, and follows its log."""
    folder = tmp_path_factory.mktemp("replica")
    server = Postgres(folder)
    user = server_user()
    home = home_in(folder, user)
    binaries = programs(home, user)
    copied = subprocess.run(  # noqa: ASYNC221 - a second, in a fixture
        [
            *(binaries / "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            *("-D", home / "data", "-d", own_servers.postgres_dsn),
        ],
        **as_user(user),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert copied.returncode == 0, copied.stderr
    source = Path(own_servers.stack.postgres.folder) / "home" / "password"
    (home / "password").write_text(source.read_text("utf-8"), "utf-8")
    try:
        assert await asyncio.to_thread(server.start)
        connection = await asyncpg.connect(server.dsn(urlsplit(own_servers.postgres_dsn).path.strip("/")))
        yield connection
        await connection.close()
    finally:
        await asyncio.to_thread(server.erase)


def reading(connection: OwnConnection) -> Reader:
    return Reader(connection, timedelta(seconds=10), is_replica=True)


async def test_a_replica_is_read_once_it_has_replayed_the_marker(
    primary: OwnConnection, replica: OwnConnection
) -> None:
    identifier = await primary.fetchval(IDENTIFIER)
    reader = reading(replica)
    await primary.execute("create table written (n int)")
    await reader.reaches(await primary.fetchval(POSITION), identifier, 20)
    async with reader.snapshot() as (source, _):
        assert await source.fetchval("select count(*) from written") == 0
    await replica.execute("select pg_wal_replay_pause()")
    try:
        await primary.execute("insert into written values (1)")
        with pytest.raises(ReplicaBehindError, match="FUNNELPROOF_REPLICA_DSN has not replayed"):
            await reader.reaches(await primary.fetchval(POSITION), identifier, 0.2)
    finally:
        await replica.execute("select pg_wal_replay_resume()")
    await reader.reaches(await primary.fetchval(POSITION), identifier, 20)
    async with reader.snapshot() as (source, _):
        assert await source.fetchval("select count(*) from written") == 1


async def test_another_server_is_no_replica(primary: OwnConnection, replica: OwnConnection) -> None:
    position = await primary.fetchval(POSITION)
    for connection, identifier in ((primary, None), (replica, "4711")):
        with pytest.raises(PreconditionError, match="is no streaming replica"):
            await reading(connection).reaches(position, identifier, 0)
