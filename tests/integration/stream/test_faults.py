"""Workers and servers that die or pause in the middle of writes: the facts are still those of the canonical SQL."""

import asyncio
import os
import signal
from datetime import datetime, timedelta

import pytest

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation
from tests.integration.stream.writing import keep_writing
from tests.servers import EmbeddedServers, Servers

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
FIRST_RUN = """
select fact.entered_count, proof.completeness
from funnelproof.window_run as run
inner join funnelproof.proof using (proof_id)
inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
where
    run.pipeline_id = $1 and run.window_name = '3s' and run.window_start = $2 and run.revision = 1
    and fact.from_stage_id = $3
"""
MANY_ENTRIES = """
insert into dyno_crm.deal_pipeline_stage_state (
    id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at
)
select gen_random_uuid(), $1, gen_random_uuid(), $2, $3, $4 from generate_series(1, $5::integer)
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


async def enter_many(installation: Installation, funnel: Funnel, start: datetime, many: int) -> None:
    """Add so many entries to a window in one transaction; the window must not have ended when it commits."""
    stage = funnel.ids["a"]
    await installation.connection.execute(MANY_ENTRIES, funnel.tenant, funnel.pipeline, stage, start, many)
    assert await installation.now() < start + timedelta(seconds=3)


async def closed_with_all(installation: Installation, funnel: Funnel, start: datetime, many: int) -> None:
    """Wait until the window is closed: its first run has everything that was committed before its end."""
    await installation.wait_until(CLOSED, start, seconds=60)
    run = await installation.connection.fetchrow(FIRST_RUN, funnel.pipeline, start, funnel.ids["a"])
    assert run is not None
    assert tuple(run) == (many, "proven")


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


@pytest.fixture
async def quiet(installation: Installation) -> Funnel:
    """A funnel that only its test writes to."""
    funnel = Funnel()
    await funnel.create(installation.connection)
    await installation.proven()
    return funnel


@pytest.mark.parametrize("server", ["kafka", "connect"])
async def test_no_window_closes_while_a_server_is_paused_and_each_does_soon_after(
    installation: Installation, funnels: list[Funnel], quiet: Funnel, embedded: EmbeddedServers, server: str
) -> None:
    """While Connect stands still its slot lags, and the log's ends look as if all were there."""
    paused = getattr(embedded.stack, server).pid
    async with keep_writing(installation, funnels):
        start = await installation.next_window()
        os.kill(paused, signal.SIGSTOP)
        try:
            await enter_many(installation, quiet, start, 10)
            await asyncio.sleep(5.5)
            assert not await installation.connection.fetchval(CLOSED, start)
        finally:
            os.kill(paused, signal.SIGCONT)
        await closed_with_all(installation, quiet, start, 10)
    await everything_is_right(installation)


async def test_no_window_closes_without_connect_and_each_does_soon_after_it_is_back(
    installation: Installation, funnels: list[Funnel], quiet: Funnel, embedded: EmbeddedServers
) -> None:
    async with keep_writing(installation, funnels):
        await asyncio.sleep(1)
        start = await installation.next_window()
        embedded.stack.connect.kill()
        await enter_many(installation, quiet, start, 10)
        await asyncio.sleep(5)
        assert not await installation.connection.fetchval(CLOSED, start)
        await asyncio.to_thread(embedded.stack.connect.start)
        assert embedded.stack.connect.address == embedded.connect_url
        await closed_with_all(installation, quiet, start, 10)
    await everything_is_right(installation)
    assert installation.workers[-1].runs


async def test_a_window_waits_for_a_slot_that_lags_behind_a_large_transaction(
    installation: Installation, quiet: Funnel
) -> None:
    """Decoding and folding it takes longer than the window lasts."""
    start = await installation.next_window()
    await enter_many(installation, quiet, start, 30_000)
    await closed_with_all(installation, quiet, start, 30_000)
    await everything_is_right(installation)
