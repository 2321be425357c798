"""Windows that ended before the installation are closed by a backfill, and then are windows like any other.

-2m      -1m      START (the installation)      +1m
 |--------|--------|-----------------------------|
  historic          the closer's
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from streams.cdc.topics import Topic
from streams.domain.change import Scope
from streams.domain.plan import WindowPlan, plan_for
from streams.domain.windows import Window, from_microseconds, to_microseconds
from streams.errors import PreconditionError
from streams.publish.closing import Published
from streams.publish.historic import HistoricWindows, historic_windows, workers_epoch
from streams.settings import Settings
from streams.store.database import Pool
from streams.store.timezones import plan_windows
from tests.integration.closing.conftest import (
    IDLE,
    KINDS,
    PARTITIONS,
    PLAN,
    SALES,
    START,
    Desk,
    desk_of,
    entry,
)

MINUTE = timedelta(minutes=1)
TOPIC = Topic("data", "topic", PARTITIONS, {})


def window(minute: int) -> Window:
    return KINDS[0].window_at(to_microseconds(START + minute * MINUTE))


async def found(pool: Pool, start: datetime, end: datetime, plan: WindowPlan = PLAN) -> HistoricWindows:
    async with pool.acquire() as connection:
        return await historic_windows(connection, plan, plan.names, start, end, START)


def minutes(windows: Sequence[Window]) -> list[int]:
    return [int((from_microseconds(each.start) - START) / MINUTE) for each in windows]


async def test_historic_windows_lie_wholly_within_the_span_and_end_by_the_installation(pool: Pool) -> None:
    assert minutes((await found(pool, START - 3 * MINUTE, START + MINUTE)).open) == [-3, -2, -1]
    second = timedelta(seconds=1)
    assert minutes((await found(pool, START - 3 * MINUTE + second, START - second)).open) == [-2]


async def test_a_backfill_closes_historic_windows_with_zero_rows_too(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, -30))
    desk.write("b", entry(1, -20))
    await desk.flush()
    windows = [window(-2), window(-1)]
    published = await desk.historic.publish(desk.proof(30, scopes=(SALES, IDLE)), windows)
    assert published == Published(windows=2, closed_runs=4)
    assert published.pairs == 8
    assert await desk.facts(window(-1)) == [(1, 1, 1), (1, 1, 0)]
    assert await desk.facts(window(-2)) == [(1, 0, 0), (1, 0, 0)]
    assert await desk.facts(window(-1), IDLE) == [(1, 0, 0), (1, 0, 0)]
    left = await found(pool, START - 3 * MINUTE, START)
    assert (minutes(left.open), left.already_closed) == ([-3], 2)


async def test_windows_with_doubts_are_told_from_others(desk: Desk, pool: Pool) -> None:
    """An event could not be applied; a reconciliation was equal, but has compared no window that was not closed."""
    await pool.execute(
        "insert into funnelproof.dead_letter (topic_id, partition, source_offset, reason, recorded_at, resolved_at, "
        "compared_at) values ('topic', 0, 1, 'bad', $1, now(), now())",
        START - MINUTE,
    )
    published = await desk.historic.publish(desk.proof(30), [window(-2), window(-1)])
    assert (published.completeness, published.estimated) == ("estimated", 1)
    assert published.reasons == ("before the last reconciliation: events could not be applied",)
    kinds = "select completeness from dyno_crm.stage_conversion_current group by window_start, 1 order by window_start"
    assert [row[0] for row in await pool.fetch(kinds)] == ["estimated", "proven"]


async def test_a_second_backfill_does_nothing(desk: Desk) -> None:
    proof = desk.proof(30)
    await desk.historic.publish(proof, [window(-1)])
    assert await desk.historic.publish(proof, [window(-2), window(-1)]) == Published(1, 1)
    assert await desk.historic.publish(desk.proof(31), [window(-2), window(-1)]) == Published()


async def test_backfills_and_closers_at_once_close_each_window_once(desk: Desk, pool: Pool) -> None:
    windows = [window(minute) for minute in (-3, -2, -1)]
    published = await asyncio.gather(
        *(desk.historic.publish(desk.proof(60), windows) for _ in range(3)),
        *(desk.close(60) for _ in range(3)),
    )
    assert sum(each.windows for each in published) == 4
    assert sum(each.closed_runs for each in published) == 4
    assert await pool.fetchval("select count(*) from funnelproof.window_run") == 4


async def test_a_backfill_leaves_the_closers_place_as_it_is(desk: Desk) -> None:
    """Nothing was closed yet, so the newest closed window is a historic one; the closer must not go on from there."""
    await desk.historic.publish(desk.proof(59), [window(-5)])
    assert await desk.close(60) == Published(windows=1, closed_runs=1)
    assert await desk.facts(window(-4)) == []
    await desk.historic.publish(desk.proof(61), [window(-4)])
    assert await desk.close(120) == Published(windows=1, closed_runs=1)


async def test_a_closer_with_an_earlier_proof_is_not_held_up_by_a_backfill(desk: Desk) -> None:
    earlier = desk.proof(60)
    await desk.historic.publish(desk.proof(90), [window(-1)])
    assert await desk.closing.publish(earlier, [window(0)]) == Published(windows=1, closed_runs=1)


async def test_a_correction_of_a_backfilled_window_is_a_revision(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, -30))
    await desk.flush()
    await desk.historic.publish(desk.proof(30), [window(-1)])
    desk.write("b", entry(1, -20))
    await desk.flush()
    assert await desk.close(31) == Published(revised_runs=1)
    assert await desk.facts(window(-1)) == [(2, 1, 1), (2, 1, 0)]
    causes = await pool.fetchval("select causes from funnelproof.window_run where revision = 2")
    assert causes == ["late_insert"]


async def test_a_flush_that_commits_beside_a_backfill_becomes_a_revision(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, -30))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select from funnelproof.partition_progress for update")
        flush = asyncio.create_task(desk.flush())
        await asyncio.sleep(0.1)
        await desk.historic.publish(desk.proof(30), [window(-1)])
        assert not flush.done()
    await flush
    assert await desk.facts(window(-1)) == [(1, 0, 0), (1, 0, 0)]
    assert await desk.close(31) == Published(revised_runs=1)
    assert await desk.facts(window(-1)) == [(2, 1, 0), (2, 0, 0)]


async def test_a_backfill_whose_session_dies_has_closed_nothing_of_its_batch(desk: Desk, pool: Pool) -> None:
    """The session ends after the runs were written and before the commit; the next backfill goes on from there."""
    async with pool.acquire() as blocker, blocker.transaction():
        # Marking the window as closed is the last thing a batch does, and waits here.
        await blocker.execute("insert into funnelproof.time_window values ('1m', $1, $2)", *span(window(-1)))
        batch = asyncio.create_task(desk.historic.publish(desk.proof(30), [window(-1)]))
        pid = None
        while pid is None:
            await asyncio.sleep(0.02)
            await blocker.execute("select pg_stat_clear_snapshot()")  # or the first look stays
            pid = await blocker.fetchval(
                "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            )
        await blocker.execute("select pg_terminate_backend($1)", pid)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await batch
    assert await pool.fetchval("select count(*) from dyno_crm.report_run") == 0
    assert await desk.historic.publish(desk.proof(31), [window(-1)]) == Published(1, 1)


async def test_windows_past_their_retention_are_not_backfilled(pool: Pool) -> None:
    await pool.execute("insert into funnelproof.sealed values ('1m', $1)", START - MINUTE)
    left = await found(pool, START - 3 * MINUTE, START)
    assert (minutes(left.open), left.sealed) == ([-1], 2)


async def test_windows_of_every_timezone_are_backfilled_for_the_tenants_that_have_them(pool: Pool) -> None:
    """A day in Tokyo begins and ends at 15:00 UTC."""
    tokyo = Scope("cccccccc-0000-4000-8000-00000000000c", SALES.pipeline_id)
    plan = plan_for(["day"], "UTC", {tokyo.tenant_id: "Asia/Tokyo"})
    desk = await desk_of(pool, plan=plan)
    around_tokyos = START - timedelta(hours=46), START - timedelta(hours=20)
    windows = (await found(pool, *around_tokyos, plan)).open
    assert [from_microseconds(each.start).hour for each in windows] == [15]
    windows = (await found(pool, START - timedelta(days=3), START, plan)).open
    assert len(windows) == 4
    closed = await desk.historic.publish(desk.proof(30, scopes=(SALES, tokyo)), windows)
    assert closed == Published(windows=4, closed_runs=4)
    hours = await pool.fetch(
        "select distinct tenant_id = $1 as own, extract(hour from window_start)::int from funnelproof.window_run",
        UUID(tokyo.tenant_id),
    )
    assert {tuple(row) for row in hours} == {(True, 15), (False, 0)}


async def test_without_a_worker_there_is_nothing_to_backfill(pool: Pool) -> None:
    async with pool.acquire() as connection:
        with pytest.raises(PreconditionError, match="start `funnelproof worker`"):
            await workers_epoch(connection, TOPIC, Settings(windows="1m"))


async def test_other_settings_than_the_workers_are_named(pool: Pool) -> None:
    async with pool.acquire() as connection:
        planned = await plan_windows(connection, ["1m"], "UTC", {SALES.tenant_id: "Asia/Tokyo"}, START)
        await planned.note(connection)
        desk = await desk_of(pool, plan=planned.plan)
        own = f"{SALES.tenant_id}=Asia/Tokyo"
        assert (
            await workers_epoch(connection, TOPIC, Settings(windows="1m", tenant_timezones=own)) == desk.epoch
        )
        with pytest.raises(
            PreconditionError, match=r"FUNNELPROOF_WINDOWS is 1m there and 1m,1h here. Run this"
        ):
            await workers_epoch(connection, TOPIC, Settings(windows="1m,1h", tenant_timezones=own))
        with pytest.raises(
            PreconditionError, match=r"TENANT_TIMEZONES is .*Tokyo there and .*UTC here. Run this"
        ):
            await workers_epoch(connection, TOPIC, Settings(windows="1m"))


def span(window: Window) -> tuple[datetime, datetime]:
    return from_microseconds(window.start), from_microseconds(window.end)
