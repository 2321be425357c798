"""A Postgres that does not keep up slows reading down; nothing piles up."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from streams.fold import intake
from tests.integration.processor.conftest import Bench, entered

WRITTEN_LETTERS = "select count(*) from funnelproof.dead_letter"
READ_ONLY = """
do $$ begin
    execute format('alter database %I set default_transaction_read_only = {}', current_database());
end $$
"""
"""For sessions that begin from now on."""
END_OTHERS = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""
LOCK = "select from funnelproof.partition_progress for update"


@asynccontextmanager
async def flushing(bench: Bench) -> AsyncIterator[None]:
    task = asyncio.create_task(bench.keep_flushing())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def is_ready(bench: Bench) -> bool:
    try:
        await asyncio.wait_for(bench.processor.ready(), 0.3)
    except TimeoutError:
        return False
    return True


def memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


async def test_nothing_more_is_read_while_a_flush_is_stuck_and_it_goes_on_afterwards(
    bench: Bench, database: str
) -> None:
    other = await asyncpg.connect(database)
    bench.apply(entered())
    async with flushing(bench), other.transaction():
        await other.execute(LOCK)
        bench.apply(entered())
        assert await is_ready(bench)  # at first it may just be a long flush
        await asyncio.sleep(intake.STUCK_SECONDS)
        assert not await is_ready(bench)
    async with flushing(bench):
        await asyncio.wait_for(bench.processor.ready(), 5)
        async with asyncio.timeout(5):
            while await bench.counts() < 2:
                await asyncio.sleep(0.05)
    await other.close()


async def test_nothing_more_is_read_or_acknowledged_while_flushes_fail_and_it_goes_on_afterwards(
    bench: Bench, database: str
) -> None:
    """As after a failover to a standby that is not the primary yet."""
    other = await asyncpg.connect(database)
    bench.apply(entered())
    await other.execute(READ_ONLY.format("on"))
    await other.execute(END_OTHERS)
    async with flushing(bench):
        async with asyncio.timeout(10):
            while await is_ready(bench):
                await asyncio.sleep(0.01)
        assert not await is_ready(bench)
        assert bench.flushed == []
        await other.execute(READ_ONLY.format("off"))
        await other.execute(END_OTHERS)
        await asyncio.wait_for(bench.processor.ready(), 15)
    assert bench.flushed[0] == {0: 1, 1: 0}
    assert await bench.counts() == 1
    await other.close()


@pytest.mark.parametrize("replaying", [False, True])
async def test_dead_letters_that_wait_are_bounded_also_in_a_replay(bench: Bench, replaying: bool) -> None:
    owned = bench.processor.owned[0]
    if replaying:
        owned.known, owned.end = {}, 1_000_000
    bench.apply(*[b"no event %d" % number for number in range(intake.MOST_LETTERS + 1)])
    assert not await is_ready(bench)
    async with flushing(bench):
        await asyncio.wait_for(bench.processor.ready(), 10)
        async with asyncio.timeout(5):
            while owned.dead_letters or await bench.pool.fetchval(WRITTEN_LETTERS) <= intake.MOST_LETTERS:
                await asyncio.sleep(0.05)
    assert owned.active is not replaying


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads this process's memory from Linux")
async def test_a_burst_that_changes_sixty_thousand_counts_is_flushed_in_bounded_memory(
    bench: Bench,
) -> None:
    for _ in range(12):
        bench.apply(*[entered() for _ in range(5_000)])
    peak = before = memory()
    flush = asyncio.create_task(bench.processor.flush())
    while not flush.done():
        await asyncio.sleep(0.005)
        peak = max(peak, memory())
    assert await bench.counts() == 60_000
    assert peak - before < 33e6, f"{(peak - before) / 1e6:.0f} MB"  # 22 is usual, 56 in one statement
