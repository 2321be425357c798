"""Workers that die, or lose their sessions, in the middle of writes: the facts are still those of the canonical SQL."""

import asyncio

import pytest

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation
from tests.integration.stream.soundness import everything_is_right
from tests.integration.stream.writing import keep_writing


@pytest.fixture
async def funnels(installation: Installation) -> list[Funnel]:
    return await installation.new_funnels(3)


async def test_a_worker_that_loses_its_sessions_in_postgres_or_is_killed_loses_and_doubles_nothing(
    installation: Installation, funnels: list[Funnel]
) -> None:
    async with keep_writing(installation, funnels, pause=0.02):
        for _ in range(3):
            await installation.wait_until(
                "select count(pg_terminate_backend(pid)) > 0 from pg_stat_activity "
                "where datname = current_database() and application_name like $1",
                installation.settings.instance + " %",
            )
            await asyncio.sleep(1)
        await installation.wait_until_folding()
        assert installation.workers[-1].runs
        installation.workers[-1].kill()
        await asyncio.sleep(1)
        installation.start_worker()
        await installation.wait_until_folding()
        await asyncio.sleep(1)
    await everything_is_right(installation, *(funnel.tenant for funnel in funnels))
    assert installation.workers[-1].runs


@pytest.mark.thorough
async def test_of_two_workers_one_that_is_killed_is_replaced_by_the_other(
    installation: Installation, funnels: list[Funnel]
) -> None:
    shared = (
        "select count(distinct worker) = 2 from funnelproof.partition_progress "
        "where flushed_at > clock_timestamp() - interval '2 s'"
    )
    async with keep_writing(installation, funnels, pause=0.02):
        second = installation.start_worker()
        await installation.wait_until(shared, seconds=40)
        await asyncio.sleep(2)
        installation.workers[-2].kill()
        await installation.wait_until_folding()
        await asyncio.sleep(1)
    assert second.runs
    await everything_is_right(installation, *(funnel.tenant for funnel in funnels))
