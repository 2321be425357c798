"""Workers and servers that die or pause in the middle of writes: the facts are still those of the canonical SQL."""

import asyncio
import os
import signal

import pytest

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation
from tests.integration.stream.writing import keep_writing
from tests.servers import EmbeddedServers, Servers

pytestmark = pytest.mark.timeout(180)

# Of each window the revisions are 1, 2, 3, ... and each says something that the one before did not.
SOUND_REVISIONS = """
select coalesce(bool_and(run.revision = 1 or changed.run_id is not null), false)
    and count(*) = (
        select sum(last) from (
            select max(revision) as last from funnelproof.window_run
            group by tenant_id, pipeline_id, window_name, window_start
        ) as each_window
    )
from funnelproof.window_run as run
left join (select distinct run_id from dyno_crm.stage_conversion_revisions) as changed using (run_id)
"""

CLOSED = """
select exists (
    select from funnelproof.time_window
    where window_name = '3s' and window_start >= $1 and closed_at is not null
)
"""


@pytest.fixture(scope="module")
async def funnels(installation: Installation) -> list[Funnel]:
    funnels = [Funnel() for _ in range(3)]
    for funnel in funnels:
        await funnel.create(installation.connection)
    await installation.proven()
    return funnels


@pytest.fixture
def embedded(servers: Servers) -> EmbeddedServers:
    if not isinstance(servers, EmbeddedServers):
        pytest.skip("these servers are not this test's own, it must not harm them")
    return servers


async def everything_is_right(installation: Installation) -> None:
    await installation.proven(seconds=60)
    await installation.right()
    status, found = await asyncio.to_thread(installation.reconcile)
    assert (status, found["outcome"]) == (0, "equal"), found
    assert await installation.connection.fetchval(SOUND_REVISIONS)


async def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    installation: Installation, funnels: list[Funnel]
) -> None:
    async with keep_writing(installation, funnels):
        await asyncio.sleep(2)
        installation.workers[-1].kill()
        await asyncio.sleep(1)
        installation.start_worker()
        await installation.wait_until_folding()
        await asyncio.sleep(1)
    await everything_is_right(installation)


async def test_of_two_workers_one_that_is_killed_is_replaced_by_the_other(
    installation: Installation, funnels: list[Funnel]
) -> None:
    shared = (
        "select count(distinct worker) = 2 from funnelproof.partition_progress "
        "where flushed_at > clock_timestamp() - interval '2 s'"
    )
    async with keep_writing(installation, funnels):
        second = installation.start_worker()
        await installation.wait_until(shared, seconds=40)
        await asyncio.sleep(2)
        installation.workers[-2].kill()
        await installation.wait_until_folding()
        await asyncio.sleep(1)
    assert second.runs
    await everything_is_right(installation)


async def test_a_worker_outlives_the_loss_of_its_sessions_in_postgres(
    installation: Installation, funnels: list[Funnel]
) -> None:
    async with keep_writing(installation, funnels):
        for _ in range(3):
            ended = await installation.connection.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where datname = current_database() and application_name like $1",
                installation.settings.instance + " %",
            )
            assert ended
            await asyncio.sleep(1)
    await everything_is_right(installation)
    assert installation.workers[-1].runs


async def test_a_worker_outlives_a_pause_of_the_broker(
    installation: Installation, funnels: list[Funnel], embedded: EmbeddedServers
) -> None:
    broker = embedded.stack.kafka.pid
    assert broker is not None
    async with keep_writing(installation, funnels):
        os.kill(broker, signal.SIGSTOP)
        try:
            await asyncio.sleep(3)
        finally:
            os.kill(broker, signal.SIGCONT)
        await asyncio.sleep(1)
    await everything_is_right(installation)
    assert installation.workers[-1].runs


@pytest.mark.parametrize("server", ["kafka", "connect"])
async def test_no_window_closes_while_a_server_is_paused_and_each_does_soon_after(
    installation: Installation, funnels: list[Funnel], embedded: EmbeddedServers, server: str
) -> None:
    """While Connect stands still its slot lags, and the log's ends look as if all were there."""
    paused = getattr(embedded.stack, server).pid
    async with keep_writing(installation, funnels):
        start = await installation.next_window()
        os.kill(paused, signal.SIGSTOP)
        try:
            await asyncio.sleep(5.5)
            assert not await installation.connection.fetchval(CLOSED, start)
        finally:
            os.kill(paused, signal.SIGCONT)
        await installation.wait_until(CLOSED, start)
    await everything_is_right(installation)


async def test_a_connect_worker_that_is_killed_loses_and_doubles_nothing(
    installation: Installation, funnels: list[Funnel], embedded: EmbeddedServers
) -> None:
    async with keep_writing(installation, funnels):
        await asyncio.sleep(1)
        embedded.stack.connect.kill()
        await asyncio.to_thread(embedded.stack.connect.start)
        assert embedded.stack.connect.address == embedded.connect_url
        await asyncio.sleep(1)
    await everything_is_right(installation)
    assert installation.workers[-1].runs
