"""What happens beside a close, step by step: each test holds one side where it matters, with a lock of its own."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from streams.brokers import Brokers
from streams.completeness.markers import Markers
from streams.publish.closing import Published
from streams.resources import sql
from streams.store.database import Connection, Pool
from streams.store.keep_trying import PASSING_ERRORS
from tests.integration.closing.conftest import SALES, START, Desk, desk_with, entry, stage_id

WAITING = """
select pid from pg_locks
where not granted and {} and database = (select oid from pg_database where datname = current_database())
order by pid
"""  # others test on the same server, in databases whose tables have the same oids
FOR_CLOSING = WAITING.format("locktype = 'advisory'")


def for_table(name: str) -> str:
    """The statement that tells who waits for a table."""
    return WAITING.format(f"relation = 'funnelproof.{name}'::regclass")


async def waiting(pool: Pool, question: str, how_many: int = 1) -> list[int]:
    """Wait until so many sessions wait; return their processes."""
    async with asyncio.timeout(20):
        while len(rows := await pool.fetch(question)) < how_many:
            await asyncio.sleep(0.01)
    return [row["pid"] for row in rows]


@asynccontextmanager
async def locked(dsn: str, statement: str) -> AsyncIterator[Connection]:
    """Hold a lock for as long as the block lasts."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield connection
    finally:
        await connection.close()


async def runs(pool: Pool) -> list[tuple[int, int]]:
    """Return (window in minutes after START, revision) of every run."""
    rows = await pool.fetch(
        "select extract(epoch from window_start - $1)::integer / 60, revision from funnelproof.window_run "
        "order by 1, 2",
        START,
    )
    return [tuple(row) for row in rows]


async def test_a_flush_that_has_written_but_not_committed_when_a_window_closes_becomes_a_revision(
    desk: Desk, pool: Pool, database: str
) -> None:
    """The close looks for changes while the flush is under way, and must not regard it as looked at.

    flush    | counts written ......... commit |
    close              | 1st run |                 | 2nd run |
    """
    desk.write("a", entry(0, 1), late=False)
    await desk.flush()
    desk.write("b", entry(1, 2))
    async with locked(database, "lock table funnelproof.change_note in share mode"):
        flush = asyncio.create_task(desk.flush())
        await waiting(pool, for_table("change_note"))
        assert await desk.close(60) == Published(windows=1, closed_runs=1)
        assert await desk.close(61) == Published()
    assert (await flush).accepted
    assert await desk.facts() == [(1, 1, 0), (1, 0, 0)]
    assert await desk.close(62) == Published(revised_runs=1)
    assert await desk.facts() == [(2, 1, 1), (2, 1, 0)]


async def test_a_closer_that_waited_for_the_lock_sees_what_was_flushed_meanwhile(
    desk: Desk, pool: Pool, database: str
) -> None:
    async with locked(database, sql("queries/store/closing_lock")):
        close = asyncio.create_task(desk.close(60))
        await waiting(pool, FOR_CLOSING)
        desk.write("a", entry(0, 1))
        await desk.flush()
    assert await close == Published(windows=1, closed_runs=1)
    assert await desk.facts() == [(1, 1, 0), (1, 0, 0)]


async def test_a_closer_that_waited_for_the_lock_sees_what_the_one_before_it_closed_and_revised(
    desk: Desk, pool: Pool, database: str
) -> None:
    await desk.close(60)
    desk.write("a", entry(0, 1))
    await desk.flush()
    async with locked(database, sql("queries/store/closing_lock")):
        first = asyncio.create_task(desk.close(120))
        await waiting(pool, FOR_CLOSING)
        second = asyncio.create_task(desk_with(pool).close(120))
        await waiting(pool, FOR_CLOSING, 2)
    assert await first == Published(windows=1, closed_runs=1, revised_runs=1)
    assert await second == Published()
    assert await runs(pool) == [(0, 1), (0, 2), (1, 1)]


HOLD_THE_PROOF = """
create function public.hold() returns trigger language plpgsql
as 'begin perform pg_advisory_xact_lock(4711); return null; end';
create trigger hold after insert on funnelproof.proof execute function public.hold()
"""


async def test_the_positions_of_a_run_are_those_of_its_counts(desk: Desk, pool: Pool, database: str) -> None:
    """A flush commits between the statement that notes the proof and the one that publishes."""
    await pool.execute(HOLD_THE_PROOF)
    await desk.flush()
    async with locked(database, "select pg_advisory_xact_lock(4711)"):
        closing = asyncio.create_task(desk.close(60))
        await waiting(pool, FOR_CLOSING)
        desk.write("a", entry(0, 1))
        await desk.flush()
    await closing
    assert await desk.facts() == [(1, 1, 0), (1, 0, 0)]
    positions = await pool.fetchval("select positions from funnelproof.window_run")
    assert json.loads(positions) == {"0": 1, "1": 0}


@pytest.mark.parametrize("what", ["session", "process"])
async def test_a_closer_that_is_killed_within_its_transaction_leaves_everything_to_the_next(
    desk: Desk, pool: Pool, database: str, what: str
) -> None:
    """The first has published its runs, but not committed; the second waits for it."""
    desk.write("a", entry(0, 1))
    await desk.flush()
    async with locked(database, "lock table funnelproof.time_window in share mode") as holder:
        first = subprocess.Popen(  # noqa: ASYNC220 - it is waited for in a thread
            [sys.executable, "-m", "tests.integration.closing.closer", database]
        )
        try:
            pids = await waiting(pool, for_table("time_window"))
            second = asyncio.create_task(desk.close(60))
            await waiting(pool, FOR_CLOSING)
            assert await runs(pool) == []
            if what == "process":
                first.kill()
            else:
                await holder.fetch("select pg_terminate_backend(pid) from unnest($1::integer[]) as pid", pids)
        finally:
            await asyncio.to_thread(first.wait, 30)
        assert not second.done() or what == "session"
    assert await second == Published(windows=1, closed_runs=1)
    assert await runs(pool) == [(0, 1)]
    assert await desk.facts() == [(1, 1, 0), (1, 0, 0)]


async def test_four_closers_that_are_killed_again_and_again_publish_everything_once(
    desk: Desk, pool: Pool, database: str
) -> None:
    """Each works in sessions of its own, which are ended at any moment; deals are written meanwhile."""
    chance = random.Random(7)
    done = asyncio.Event()
    closers = [
        asyncio.create_task(each)
        for each in (
            *(close_until(done, database, number) for number in range(4)),
            kill_until(done, pool, chance),
        )
    ]
    for number in range(60):
        desk.write(f"row {number}", entry(0, chance.uniform(0, 600)), deal=f"deal {number}")
        await desk.flush(0)
        await asyncio.sleep(0.02)
    async with asyncio.timeout(100):
        while len({minute for minute, _ in await runs(pool)}) < 10:
            await asyncio.sleep(0.05)
    done.set()
    *_, killed = await asyncio.gather(*closers)
    assert killed > 5
    await desk.close(661)
    found = await runs(pool)
    for minute in range(10):
        revisions = [revision for each, revision in found if each == minute]
        assert revisions == list(range(1, len(revisions) + 1))
    entered = await pool.fetchval(
        "select sum(entered_count) from dyno_crm.stage_conversion_current where from_stage_id = $1::text::uuid",
        stage_id(SALES, 0),
    )
    assert entered == 60
    facts = "select count(*) from dyno_crm.report_stage_conversion_fact"
    assert await pool.fetchval(facts) == 2 * len(found)


async def close_until(done: asyncio.Event, dsn: str, number: int) -> int:
    """Close ten windows again and again, whatever happens to the sessions; return nothing of interest."""
    settings = {"application_name": "closer", "timezone": "UTC"}
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2, server_settings=settings) as own:
        closer = desk_with(own)
        closer.lsn += 1_000_000 * number
        while not done.is_set():
            for second in range(60, 660, 60):
                try:
                    await closer.close(second)
                except PASSING_ERRORS:
                    await asyncio.sleep(0.01)
    return 0


async def kill_until(done: asyncio.Event, pool: Pool, chance: random.Random) -> int:
    """End sessions of closers within their transactions; return how many."""
    killed = 0
    while not done.is_set():
        await asyncio.sleep(chance.uniform(0.0, 0.05))
        sessions = await pool.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'closer' "
            "and datname = current_database() and state <> 'idle' and pid % 2 = $1",
            chance.randrange(2),
        )
        killed += len(sessions)
    return killed


@pytest.mark.usefixtures("desk")
async def test_a_marker_that_was_never_emitted_because_its_session_broke_is_no_loss(
    pool: Pool, database: str
) -> None:
    """Written down as intended, then the session breaks; the next one starts again."""
    markers = Markers(pool, Brokers("127.0.0.1:1"), "never.read", "funnelproof.test")
    first = await markers.emit(await asyncpg.connect(database), "close")
    assert await pool.fetch(sql("queries/completeness/marker_seen"), [first.marker_id], [first.token]) == []
    broken = await asyncpg.connect(database)
    await pool.execute("select pg_terminate_backend($1, 5000)", broken.get_server_pid())
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await markers.emit(broken, "close")
    again = await markers.emit(await asyncpg.connect(database), "close")
    told = await pool.fetch("select emitted_lsn is null from funnelproof.marker order by marker_id")
    assert [row[0] for row in told] == [False, True, False]
    assert await pool.fetch(sql("queries/completeness/marker_seen"), [again.marker_id], [again.token]) == []


ADD_STAGE = (
    "insert into dyno_crm.pipeline_stage (id, tenant_id, pipeline_id, name, display_order) "
    "values ($1::text::uuid, $2::text::uuid, $3::text::uuid, 'stage', $4)"
)


@pytest.mark.usefixtures("desk")
async def test_a_stage_that_is_added_while_the_marker_is_emitted_is_among_those_that_are_read(
    pool: Pool, database: str
) -> None:
    """
    crm      add a stage .......... commit |
    marker        | emitted, noted, stages asked for ... told
    """
    markers = Markers(pool, Brokers("127.0.0.1:1"), "never.read", "funnelproof.test")
    async with locked(database, "lock table dyno_crm.pipeline_stage in access exclusive mode") as adding:
        emitting = asyncio.create_task(markers.emit(await asyncpg.connect(database), "close"))
        await waiting(pool, WAITING.format("relation = 'dyno_crm.pipeline_stage'::regclass"))
        assert await pool.fetchval("select emitted_lsn is not null from funnelproof.marker")
        await adding.execute(ADD_STAGE, stage_id(SALES, 0), *SALES, 0)
    assert [stage.stage_id for stage in (await emitting).stages] == [stage_id(SALES, 0)]


async def test_a_window_closes_on_the_stages_of_its_marker_whatever_has_become_of_them_since(
    desk: Desk, pool: Pool, database: str
) -> None:
    """
    crm      stages a, b        | marker, stages read | a stage more, c before a
    close                                                 | with a, b |
    """
    await desk.close(1)
    for stage in range(2):
        await pool.execute(ADD_STAGE, stage_id(SALES, stage), *SALES, stage)
    markers = Markers(pool, Brokers("127.0.0.1:1"), "never.read", "funnelproof.test")
    marker = await markers.emit(await asyncpg.connect(database), "close")
    await pool.execute(ADD_STAGE, stage_id(SALES, 2), *SALES, -1)
    proof = replace(desk.proof(60), marker=marker)
    await desk.closing.publish(proof, await desk.due(60))
    rows = await pool.fetch(
        "select from_stage_id::text, to_stage_id::text from dyno_crm.stage_conversion_current"
    )
    assert [tuple(row) for row in rows] == [(stage_id(SALES, 0), stage_id(SALES, 1))]
