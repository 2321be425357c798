"""Windows past their retention are sealed, then pruned; what may still be revised is left alone.

START    +1m      +2m      +3m      +4m   by the source's clock; retention: two minutes
 |--------|--------|--------|--------|
   sealed   sealed   kept     kept      now
"""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from streams.domain.windows import Window, to_microseconds
from streams.fold.partials import PartitionFlush
from streams.publish import pruning
from streams.publish.closing import Published
from streams.publish.pruning import Pruner, Retention
from streams.resources import sql
from streams.store.database import Pool
from streams.store.epoch import begin_epoch
from tests.integration.closing.conftest import IDLE, KINDS, SALES, START, Desk, desk_of, entry

MINUTE = timedelta(minutes=1)
TWO_MINUTES = {"1m": 2 * MINUTE}
BOTH = (SALES, IDLE)
SOMEBODY_WAITS = """
select exists (
    select from pg_locks as waiting inner join pg_locks as held using (pid)
    where not waiting.granted and held.database = (select oid from pg_database where datname = current_database())
)
"""


def pruner(
    pool: Pool, windows: dict[str, timedelta] | None = None, zeros: dict[str, timedelta] | None = None
) -> Pruner:
    return Pruner(pool, Retention(windows or {}, zeros or {}, timedelta(days=90)), lambda: True)


def window(minute: int) -> Window:
    return KINDS[0].window_at(to_microseconds(START + minute * MINUTE))


async def count(pool: Pool, table: str) -> int:
    number: int = await pool.fetchval(f"select count(*) from {table}")  # noqa: S608 - a table named in this file
    return number


async def busy(desk: Desk, minutes: int) -> None:
    """Two deals enter a stage in each minute, in two partitions; then all of these minutes are closed."""
    for minute in range(minutes):
        desk.write(f"a{minute}", entry(0, 60 * minute + 1), deal="one", partition=0, late=False)
        desk.write(f"b{minute}", entry(0, 60 * minute + 2), deal="two", partition=1, late=False)
    await desk.flush()
    await desk.close(60 * minutes, scopes=BOTH)


async def starts_with_runs(pool: Pool) -> list[int]:
    rows = await pool.fetch("select distinct window_start from funnelproof.window_run order by 1")
    return [int((row[0] - START) / MINUTE) for row in rows]


async def test_windows_past_their_retention_go_with_all_that_was_kept_of_them(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    assert await pruner(pool, TWO_MINUTES).prune() == {"runs": 4, "counts": 4}
    assert await starts_with_runs(pool) == [2, 3]
    assert await count(pool, "dyno_crm.report_run") == 4
    assert await count(pool, "dyno_crm.report_stage_conversion_fact") == 8
    assert await count(pool, "funnelproof.run_profile") == 2
    assert await count(pool, "funnelproof.partial") == 4
    assert await pruner(pool, TWO_MINUTES).prune() == {}


async def test_without_a_retention_no_window_goes(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    assert await pruner(pool).prune() == {}
    assert await starts_with_runs(pool) == [0, 1, 2, 3]


async def test_a_kept_window_is_revised_as_before(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    await pruner(pool, TWO_MINUTES).prune()
    desk.write("late", entry(0, 125), deal="three")
    await desk.flush()
    assert await desk.close(241, scopes=BOTH) == Published(revised_runs=1)
    assert await desk.facts(window(2)) == [(2, 3, 0), (2, 0, 0)]


async def test_a_late_change_of_a_sealed_window_is_ignored_and_counted(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    await pruner(pool, TWO_MINUTES).prune()
    await desk.flush()
    desk.write("late", entry(1, 5), deal="one")
    assert (await desk.flush()).ignored == 1
    assert await desk.close(241, scopes=BOTH) == Published()
    told = await pool.fetchrow("select window_name, sealed_until, ignored_changes from funnelproof.sealed")
    assert told is not None
    assert tuple(told) == ("1m", START + 2 * MINUTE, 1)
    assert await count(pool, "funnelproof.partial") == 4
    assert await count(pool, "funnelproof.change_note") == 0


async def test_a_takeover_does_not_bring_sealed_counts_back(desk: Desk, pool: Pool) -> None:
    """The next owner's state has all counts, Postgres those of kept windows only."""
    await busy(desk, 4)
    await pruner(pool, TWO_MINUTES).prune()
    for partition in (0, 1):
        await desk.take_over(partition, 4)
    await desk.flush()
    assert await count(pool, "funnelproof.partial") == 4
    assert await pool.fetchval("select sum(ignored_changes) from funnelproof.sealed") == 0


async def test_a_new_epoch_does_not_bring_sealed_windows_back(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    await pruner(pool, TWO_MINUTES).prune()
    anew = await desk_of(pool, "another topic")
    await anew.meet_snapshot(100)
    for minute in range(4):
        anew.write(f"a{minute}", entry(0, 60 * minute + 1), deal="one", partition=0)
    await anew.flush()
    assert await anew.close(241, scopes=BOTH) == Published(revised_runs=2)
    assert await starts_with_runs(pool) == [2, 3]


async def test_what_a_flush_wrote_beside_the_seal_goes_in_the_next_round(desk: Desk, pool: Pool) -> None:
    """The worker took its counts before it could know of the seal, and told them after the windows were pruned."""
    await busy(desk, 4)
    state = desk.states[0]
    state.apply(desk.changes.make("one", "late", entry(1, 5), 5000, to_microseconds(START + 9 * MINUTE)))
    state.position += 1
    taken = PartitionFlush(0, state.position, desk.after[0], state.drain())
    await pruner(pool, TWO_MINUTES).prune()
    await desk.partials.flush([taken])
    assert await count(pool, "funnelproof.partial") == 6
    assert await desk.close(241, scopes=BOTH) == Published()
    assert (await pruner(pool, TWO_MINUTES).prune())["counts"] == 2
    assert await count(pool, "funnelproof.partial") == 4
    assert await count(pool, "funnelproof.time_window where closed_at is null") == 1  # the one in progress


async def test_sealed_windows_that_are_not_deleted_yet_are_neither_shown_nor_revised(
    desk: Desk, pool: Pool
) -> None:
    await busy(desk, 4)
    one = pruner(pool, TWO_MINUTES)
    await one._seal()
    assert await starts_with_runs(pool) == [0, 1, 2, 3]
    assert await desk.facts(window(1)) == []
    assert len(await desk.facts(window(2))) == 2
    starts = [START + minute * MINUTE for minute in range(4)]
    compared = await pool.fetch(
        sql("queries/reconciliation/reconcile_runs"),
        *([each] * 4 for each in (*SALES, "1m")),
        *(starts, [start + MINUTE for start in starts]),
    )
    assert {row["window_start"] for row in compared} == {START + 2 * MINUTE, START + 3 * MINUTE}


async def test_a_window_that_waits_for_its_revision_is_not_sealed(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    desk.write("late", entry(1, 5), deal="one")
    await desk.flush()
    assert await pruner(pool, TWO_MINUTES).prune() == {}
    assert await desk.close(241, scopes=BOTH) == Published(revised_runs=1)
    await pool.execute(
        "insert into funnelproof.touched_window values ($1, $2, '1m', $3, $4, now())",
        *SALES,
        START,
        START + MINUTE,
    )
    assert "runs" not in await pruner(pool, TWO_MINUTES).prune()
    await desk.close(242, scopes=BOTH)
    assert (await pruner(pool, TWO_MINUTES).prune())["runs"] == 5


async def test_a_window_that_is_not_closed_is_not_sealed(desk: Desk, pool: Pool) -> None:
    await desk.close(60)
    await desk.closing.publish(desk.proof(600), [])  # others are due and held back by writers
    await pruner(pool, TWO_MINUTES).prune()
    assert await pool.fetchval("select sealed_until from funnelproof.sealed") < START + MINUTE


async def test_the_last_closed_window_of_a_kind_stays_and_nothing_is_closed_again(
    desk: Desk, pool: Pool
) -> None:
    """Windows of other timezones that end with it may still be open."""
    await busy(desk, 4)
    await desk.closing.publish(desk.proof(900), [])
    await pruner(pool, TWO_MINUTES).prune()
    assert await starts_with_runs(pool) == [3]
    due = await desk.closing.due(to_microseconds(START + 5 * MINUTE))
    assert [each.start for each in due] == [window(4).start]


async def test_nothing_is_sealed_before_the_closer_has_looked_at_a_new_epoch(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    await desk_of(pool, "another topic")
    await pruner(pool, TWO_MINUTES).prune()
    assert await count(pool, "funnelproof.sealed") == 0


async def test_many_rows_are_pruned_in_small_transactions(
    desk: Desk, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(pruning, "WINDOWS_AT_ONCE", 1)
    await busy(desk, 4)
    assert await pruner(pool, TWO_MINUTES).prune() == {"runs": 4, "counts": 4}
    assert await count(pool, "funnelproof.sealed_window") == 0


async def test_of_two_pruners_one_steps_aside(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    async with pool.acquire() as other, other.transaction():
        assert await other.fetchval(sql("queries/publish/prune_lock"))
        await pruner(pool, TWO_MINUTES, TWO_MINUTES).prune()
    assert await starts_with_runs(pool) == [0, 1, 2, 3]
    assert (await pruner(pool, TWO_MINUTES).prune())["runs"] == 4


async def test_pruning_does_not_hold_a_close_up(desk: Desk, pool: Pool) -> None:
    """A round is stopped within a deletion; windows close and flushes are taken meanwhile."""
    await busy(desk, 4)
    async with pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("select from dyno_crm.report_run where period_start = $1 for key share", START)
        pruning_now = asyncio.create_task(pruner(pool, TWO_MINUTES).prune())
        while not await blocker.fetchval(SOMEBODY_WAITS):
            await asyncio.sleep(0.02)
        assert not pruning_now.done()
        desk.write("new", entry(0, 241), deal="three")
        await asyncio.wait_for(desk.flush(), 5)
        closed = await asyncio.wait_for(desk.close(300, scopes=BOTH), 5)
        assert closed == Published(windows=1, closed_runs=2)
    await pruning_now
    assert await starts_with_runs(pool) == [2, 3, 4]


async def test_runs_of_pipelines_without_entries_go_sooner(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    assert await pruner(pool, zeros=TWO_MINUTES).prune() == {"zero_runs": 2}
    assert await desk.facts(window(1), IDLE) == []
    assert await desk.facts(window(1)) == [(1, 2, 0), (1, 0, 0)]
    assert len(await desk.facts(window(2), IDLE)) == 2
    assert await pruner(pool, zeros=TWO_MINUTES).prune() == {}
    assert await count(pool, "funnelproof.latest_run") == 6


async def test_a_pipeline_whose_zero_row_is_gone_gets_a_run_when_an_entry_comes(
    desk: Desk, pool: Pool
) -> None:
    await busy(desk, 4)
    await pruner(pool, zeros=TWO_MINUTES).prune()
    desk.write("late", entry(0, 5, IDLE), deal="three")
    await desk.flush()
    await desk.close(241, scopes=BOTH)
    assert await desk.facts(window(0), IDLE) == [(1, 1, 0), (1, 0, 0)]
    causes = "select causes from funnelproof.window_run where pipeline_id = $1 and window_start = $2"
    assert await pool.fetchval(causes, IDLE.pipeline_id, START) == ["late_insert"]


async def test_a_zero_row_that_hides_an_entry_or_a_revision_stays(desk: Desk, pool: Pool) -> None:
    """An entry into the last stage makes no pair count; a deal that came and was deleted has left revisions."""
    desk.write("last", entry(2, 5, IDLE), deal="one")
    await desk.flush()
    await desk.close(60, scopes=BOTH)
    desk.write("gone", entry(0, 6), deal="two")
    await desk.flush()
    await desk.close(61, scopes=BOTH)
    desk.write("gone", None, deal="two")
    await desk.flush()
    await desk.close(240, scopes=BOTH)
    await pruner(pool, zeros={"1m": 3 * MINUTE}).prune()
    assert await desk.facts(window(0), IDLE) == [(1, 0, 0), (1, 0, 0)]
    assert await desk.facts(window(0)) == [(3, 0, 0), (3, 0, 0)]
    assert await count(pool, "funnelproof.window_run where revision = 1") == 8


async def test_zero_rows_of_a_backfill_go_too(desk: Desk, pool: Pool) -> None:
    await busy(desk, 4)
    await pruner(pool, zeros=TWO_MINUTES).prune()
    await desk.historic.publish(desk.proof(241), [window(-3)])
    assert await pruner(pool, zeros=TWO_MINUTES).prune() == {"zero_runs": 1}


async def test_notes_go_once_no_revision_can_need_them(desk: Desk, pool: Pool) -> None:
    await busy(desk, 1)
    desk.write("late", entry(1, 5), deal="one")
    await desk.flush()
    assert await pruner(pool).prune() == {}
    await desk.close(61, scopes=BOTH)
    causes = await pool.fetchval("select causes from funnelproof.window_run where revision = 2")
    assert causes == ["late_insert"]
    assert await pruner(pool).prune() == {"notes": 1}


async def test_notes_of_a_window_that_is_touched_stay(desk: Desk, pool: Pool) -> None:
    desk.closing._debounce = timedelta(hours=1)
    await busy(desk, 1)
    desk.write("late", entry(1, 5), deal="one")
    await desk.flush()
    await desk.close(61, scopes=BOTH)
    assert await pruner(pool).prune() == {}
    assert await count(pool, "funnelproof.change_note") == 1


@pytest.fixture
async def former(desk: Desk, pool: Pool) -> Desk:
    """An epoch that was flushed eight days ago; another one is current."""
    await busy(desk, 2)
    await desk_of(pool, "another topic")
    await pool.execute("update funnelproof.partition_progress set flushed_at = now() - interval '8 days'")
    return desk


async def test_a_former_epoch_goes_a_week_after_its_last_flush(former: Desk, pool: Pool) -> None:
    await pool.execute(
        "update funnelproof.partition_progress set flushed_at = now() where epoch = $1 and partition = 1",
        former.epoch.id,
    )
    await pruner(pool).prune()
    assert await count(pool, "funnelproof.partial") == 4
    await pool.execute("update funnelproof.partition_progress set flushed_at = now() - interval '8 days'")
    assert await pruner(pool).prune() == {"former_counts": 4}
    for table in ("partial", "partition_progress", "revision_cursor", "change_note"):
        left = f"funnelproof.{table} where epoch <> (select epoch from funnelproof.installation)"  # noqa: S608 - as above
        assert await count(pool, left) == 0
    assert await starts_with_runs(pool) == [0, 1]


async def test_a_former_epoch_that_begins_again_has_all_its_counts(
    former: Desk, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was half pruned. Nothing is proven before its owners have written what is missing."""
    monkeypatch.setattr(pruning, "ROWS_AT_ONCE", 1)
    one = pruner(pool)
    await one._once("prune_epochs", pruning.FORMER_EPOCHS, keeps_epoch=True)
    await one._once("prune_epoch_partials", 1, keeps_epoch=True)
    await begin_epoch(pool, former.epoch)
    assert await pool.fetch(sql("queries/completeness/progress")) == []
    assert await pruner(pool).prune() == {}
    for partition in (0, 1):
        await former.take_over(partition, former.states[partition].position)
    await former.flush()
    assert await former.close(121, scopes=BOTH) == Published()
    assert await former.facts(window(1)) == [(1, 2, 0), (1, 0, 0)]


async def test_an_epoch_does_not_begin_while_it_is_pruned(former: Desk, pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(sql("queries/publish/prune_epoch_lock"))
        beginning = asyncio.create_task(begin_epoch(pool, former.epoch))
        await asyncio.sleep(0.2)
        assert not beginning.done()
    await beginning


async def test_old_evidence_goes_but_never_the_last_reconciliation(desk: Desk, pool: Pool) -> None:
    del desk
    for age in (100, 95, 92):
        await pool.execute(
            "insert into funnelproof.reconciliation (started_at, finished_at, outcome) "
            "select at, at, 'equal' from (select now() - $1::interval as at) as since",
            timedelta(days=age),
        )
    await pool.execute(
        """
        insert into funnelproof.dead_letter (
            topic_id, partition, source_offset, reason, published_at, resolved_at, compared_at
        )
        select 'topic', 0, number, 'bad', published, resolved, compared from (values
            (1, now(), now() - interval '91 days', null::timestamptz), (2, now(), now() - interval '89 days', null),
            (3, now(), null, null), (4, null, now() - interval '91 days', null),
            (5, now(), now() - interval '91 days', now() - interval '91 days')
        ) as letter (number, published, resolved, compared)
        """
    )
    await pool.execute(
        """
        insert into funnelproof.finding (
            found_at, resolved_at, tenant_id, pipeline_id, window_name, window_start, window_end, revision,
            from_stage_id, to_stage_id, fault, sentence
        )
        select
            now() - interval '91 days', resolved, gen_random_uuid(), gen_random_uuid(), 'day', now(), now(), 1,
            gen_random_uuid(), gen_random_uuid(), 'lost', 'told'
        from (values (null::timestamptz), (now() - interval '91 days'), (now() - interval '1 day')) as old (resolved)
        """
    )
    assert await pruner(pool).prune() == {"reconciliations": 2, "findings": 2, "dead_letters": 1}
    assert await count(pool, "funnelproof.finding") == 1
    assert await count(pool, "funnelproof.reconciliation") == 1
    assert await count(pool, "funnelproof.dead_letter") == 4


async def test_a_worker_that_may_not_delete_runs_is_told_so(desk: Desk, pool: Pool, database: str) -> None:
    await busy(desk, 4)
    await pool.execute(sql("roles"))
    await pool.execute(sql("queries/store/grants"))
    async with asyncpg.create_pool(
        database, min_size=1, max_size=1, server_settings={"role": "funnelproof_worker"}
    ) as own:
        assert await pruner(own).prune() == {}
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pruner(own, TWO_MINUTES).prune()
        await pool.execute("grant delete on dyno_crm.report_run to funnelproof_worker")
        assert (await pruner(own, TWO_MINUTES).prune())["runs"] == 4
