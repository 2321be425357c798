"""Servers that pause or die in the middle of writes: the facts are still those of the canonical SQL."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from streams.cdc.connect_api import Connect
from streams.local.stack import CRM_DATABASE
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, installed
from tests.integration.stream.soundness import CLOSED, closed_with_all, enter_many, everything_is_right
from tests.integration.stream.writing import keep_writing
from tests.servers import EmbeddedServers
from tests.standing_still import stopped

pytestmark = pytest.mark.thorough

PAUSE = 0.03
"""Seconds between two transactions of those who write meanwhile."""
READER = "select active_pid from pg_replication_slots where slot_name = $1"


@pytest.fixture(scope="module")
async def installation(
    own_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One on servers that may be harmed, with a worker."""
    folder = tmp_path_factory.mktemp("installation")
    settings = {"WINDOWS": "3s,1h", "PROOF_WAIT": "3s"}
    async with installed(own_servers, CRM_DATABASE, folder, **settings) as installation:
        installation.start_worker()
        await installation.wait_until_folding()
        yield installation


@pytest.fixture(scope="module")
async def funnels(installation: Installation) -> list[Funnel]:
    return await installation.new_funnels(3)


@pytest.fixture
async def quiet(installation: Installation) -> Funnel:
    """A funnel that only its test writes to."""
    (funnel,) = await installation.new_funnels(1)
    return funnel


async def test_no_window_closes_while_a_server_is_paused_each_does_soon_after_and_the_worker_goes_on(
    installation: Installation, funnels: list[Funnel], quiet: Funnel, own_servers: EmbeddedServers
) -> None:
    """While Connect stands still its slot lags, and the log's ends look as if all were there."""
    async with keep_writing(installation, funnels, pause=PAUSE):
        for server in (own_servers.stack.kafka, own_servers.stack.connect):
            assert server.pid is not None
            start = await installation.next_window()
            with stopped(server.pid):
                await enter_many(installation, quiet, start, 10)
                await asyncio.sleep(5.5)
                assert not await installation.connection.fetchval(CLOSED, start)
            await closed_with_all(installation, quiet, start, 10)
    await everything_is_right(installation)
    assert installation.workers[-1].runs


async def test_no_window_closes_without_connect_and_each_does_soon_after_it_is_back(
    installation: Installation, funnels: list[Funnel], quiet: Funnel, own_servers: EmbeddedServers
) -> None:
    await end_transactions_sooner(installation)
    async with keep_writing(installation, funnels, pause=PAUSE):
        await asyncio.sleep(1)
        start = await installation.next_window()
        own_servers.stack.connect.kill()
        await enter_many(installation, quiet, start, 10)
        await asyncio.sleep(5)
        assert not await installation.connection.fetchval(CLOSED, start)
        await asyncio.to_thread(own_servers.stack.connect.start)
        assert own_servers.stack.connect.address == own_servers.connect_url
        await closed_with_all(installation, quiet, start, 10)
    await everything_is_right(installation)
    assert installation.workers[-1].runs


async def end_transactions_sooner(installation: Installation) -> None:
    """Let the broker end a killed task's transaction after ten seconds instead of a minute; nothing closes before."""
    connect, name = Connect(installation.settings), installation.settings.instance
    config = await connect.call("GET", f"/connectors/{name}/config")
    sooner = {"producer.override.transaction.timeout.ms": "10000"}
    reader = await installation.connection.fetchval(READER, name)
    await connect.call("PUT", f"/connectors/{name}/config", config | sooner)
    await installation.wait_until(f"select ({READER}) <> $2", name, reader, seconds=60)  # a new task reads
    await installation.proven(seconds=60)
