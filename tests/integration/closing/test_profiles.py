"""The profiles of runs: summed over partitions, current for a window's last run, and equal to their counts.

Buckets of the minute from START on have five seconds: second 7 lies in bucket 1, second 12 in bucket 2.
"""

from datetime import timedelta

import asyncpg
import pytest

from streams.domain.plan import plan_for
from streams.domain.profile import BUCKETS
from streams.domain.windows import to_microseconds
from streams.publish.closing import Published
from streams.resources import sql
from streams.store.database import Pool
from streams.store.migrations import known_migrations, migrate
from tests.integration.closing.conftest import IDLE, KINDS, SALES, START, Desk, desk_of, entry, stage_id

Places = dict[tuple[int, int], int]

# Installed before profiles, by the migrations up to 0004: the minute from START on is closed, a deal entered stage 0 in
# second 7 and stage 1 in second 12, and the next minute is closed with zero rows.
INSTALLED_BEFORE = """
    insert into funnelproof.epoch (
        epoch, topic, topic_id, partitions, windows, timezone, tenant_timezones, state_format, boundaries
    ) values (md5('before')::uuid, 'data', 'topic', 2, '{{1m}}', 'UTC', '{{}}', 1, '');
    insert into funnelproof.installation (instance, installed_at, epoch)
    values ('funnelproof', '{start}', md5('before')::uuid);
    insert into funnelproof.partition_progress (
        epoch, partition, source_offset, claimed, flushes, flushed_by, worker, flushed_at
    ) select md5('before')::uuid, n, 2, 0, 1, 'former', 'former', '{start}' from generate_series(0, 1) as n;
    insert into funnelproof.time_window (window_name, window_start, window_end, tilings, closed_at)
    select '1m', start, start + interval '1 minute', '{{""}}', start + interval '1 minute'
    from unnest('{{{start}, {next}}}'::timestamptz[]) as start;
    insert into funnelproof.proof (
        source_time, source_lsn, snapshot, needed, positions, completeness, reasons, open_transactions,
        marker_seconds, progress_seconds
    ) values ('{next}', '0/1', '1:1:', '{{}}', '{{}}', 'proven', '{{}}', '[]', 0, 0);
    insert into dyno_crm.report_run (id, tenant_id, report_type, generated_at, period_start, period_end, status)
    select md5(start::text)::uuid, '{tenant}', 'STAGE_CONVERSION', start, start, start + interval '1 minute',
        'COMPLETED'
    from unnest('{{{start}, {next}}}'::timestamptz[]) as start;
    insert into funnelproof.window_run (
        run_id, tenant_id, pipeline_id, window_name, window_start, window_end, revision, causes, epoch, positions,
        proof_id
    )
    select id, tenant_id, '{pipeline}', '1m', period_start, period_end, 1, '{{}}', md5('before')::uuid, '{{}}', proof_id
    from dyno_crm.report_run cross join funnelproof.proof;
    insert into dyno_crm.report_stage_conversion_fact (
        run_id, tenant_id, pipeline_id, from_stage_id, to_stage_id, entered_count, converted_count, conversion_rate
    )
    select
        id, tenant_id, '{pipeline}', from_stage, to_stage,
        counts[1], counts[2], counts[2]
    from dyno_crm.report_run
    cross join (values ('{a}'::uuid, '{b}'::uuid, 1), ('{b}', '{c}', 0)) as pair (from_stage, to_stage, converted)
    cross join lateral (
        select case when period_start = '{start}' then array[1, converted] else '{{0, 0}}' end as counts
    ) as counted;
    insert into funnelproof.partial (
        epoch, partition, tenant_id, pipeline_id, window_name, window_start, window_end, from_stage_id, to_stage_id,
        deals, flush
    )
    select md5('before')::uuid, 0, '{tenant}', '{pipeline}', '1m', '{start}', '{next}', from_stage, to_stage, 1, 1
    from (values ('{a}'::uuid, '{a}'::uuid), ('{b}', '{b}'), ('{a}', '{b}')) as step (from_stage, to_stage);
"""


async def profile(pool: Pool, revision: int = 1, kind: str = "1m") -> tuple[Places, Places]:
    """Return the deals by place that entered stage 0, and that converted from there to stage 1."""
    row = await pool.fetchrow(
        """
        select funnelproof.profile_entered(entered) as entered, funnelproof.profile_converted(converted) as converted
        from funnelproof.present_profile
        inner join funnelproof.window_run using (run_id)
        where revision = $1 and from_stage_id = $2::text::uuid and window_name = $3
        """,
        revision,
        stage_id(SALES, 0),
        kind,
    )
    assert row is not None
    ages = range(BUCKETS)
    return (
        {(i, i): row[0][i] for i in ages if row[0][i]},
        {(i, j): row[1][i][j] for i in ages for j in ages if row[1][i][j]},
    )


async def test_a_run_has_the_profiles_of_its_facts_over_all_partitions(desk: Desk, pool: Pool) -> None:
    for partition in (0, 1):
        for deal in ("one", "two"):
            desk.write("a", entry(0, 7), deal=f"{deal} {partition}", partition=partition)
        desk.write("b", entry(1, 12 + 5 * partition), deal=f"one {partition}", partition=partition)
    await desk.flush()
    await desk.close(60)
    assert await desk.facts() == [(1, 4, 2), (1, 2, 0)]
    assert await profile(pool) == ({(1, 1): 4}, {(1, 2): 1, (1, 3): 1})


async def test_where_only_ages_change_the_run_stays_and_its_profile_is_current(
    desk: Desk, pool: Pool
) -> None:
    """Nobody wants a revision of equal counts; but what is learned from the window must be what the rows say."""
    desk.write("a", entry(0, 7))
    desk.write("b", entry(1, 12))
    await desk.flush()
    await desk.close(60)
    notes = "select count(*) from funnelproof.change_note"
    noted = await pool.fetchval(notes)
    desk.write("a", entry(0, 2))
    desk.write("b", entry(1, 58))
    await desk.flush()
    assert await desk.close(61) == Published()
    assert await desk.facts() == [(1, 1, 1), (1, 1, 0)]
    assert await profile(pool) == ({(0, 0): 1}, {(0, 11): 1})
    assert await pool.fetchval(notes) == noted
    later = (
        "select count(*) from funnelproof.run_profile as p inner join funnelproof.window_run using (run_id)"
    )
    assert await pool.fetchval(f"{later} where p.proof_id > window_run.proof_id") == 2  # both pairs
    assert await pool.fetchval(later) == 4  # the profiles before stay
    assert await pool.fetchval("select count(*) from funnelproof.touched_window") == 0


async def test_a_revision_has_profiles_of_its_own(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 7))
    await desk.flush()
    await desk.close(60)
    desk.write("b", entry(1, 8))
    desk.write("a", entry(0, 2))
    await desk.flush()
    assert await desk.close(61) == Published(revised_runs=1)
    assert await profile(pool) == ({(1, 1): 1}, {})
    assert await profile(pool, 2) == ({(0, 0): 1}, {(0, 1): 1})


async def test_a_zero_row_has_no_profile(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(1, 7))
    await desk.flush()
    await desk.close(60, scopes=(SALES, IDLE))
    stages = await pool.fetch("select from_stage_id::text from funnelproof.run_profile")
    assert [row[0] for row in stages] == [stage_id(SALES, 1)]


async def test_a_backfill_gives_history_its_profiles_and_so_do_the_revisions_of_history(
    desk: Desk, pool: Pool
) -> None:
    desk.write("a", entry(0, -53))
    desk.write("b", entry(1, -1))
    await desk.flush()
    before = [KINDS[0].window_at(to_microseconds(START - timedelta(minutes=ago))) for ago in (2, 1)]
    assert await desk.historic.publish(desk.proof(30, scopes=(SALES, IDLE)), before) == Published(2, 4)
    assert await profile(pool) == ({(1, 1): 1}, {(1, 11): 1})
    assert await pool.fetchval("select count(*) from funnelproof.run_profile") == 2  # zero rows have none
    desk.write("a", entry(0, -43))
    await desk.flush()
    assert await desk.close(31) == Published()
    assert await profile(pool) == ({(3, 3): 1}, {(3, 11): 1})
    desk.write("b", None)
    await desk.flush()
    assert await desk.close(32) == Published(revised_runs=1)
    assert await profile(pool) == ({(3, 3): 1}, {(3, 11): 1})
    assert await profile(pool, 2) == ({(3, 3): 1}, {})


async def test_each_kind_of_window_is_cut_by_its_own_length(pool: Pool) -> None:
    """At 7:00 and 12:00 of a Monday in New York, in a month of 721 hours: its buckets have 60 hours and 5 minutes."""
    desk = await desk_of(pool, plan=plan_for(("hour", "day", "week", "month"), "America/New_York"))
    for deal, second in (("quick", 360), ("slow", 5 * 3600)):
        desk.write("a", entry(0, 7), deal=deal)
        desk.write("b", entry(1, second), deal=deal)
    await desk.flush()
    await desk.close(8 * 86_400)
    assert await profile(pool, kind="hour") == ({(0, 0): 2}, {(0, 1): 1})
    assert await profile(pool, kind="day") == ({(3, 3): 2}, {(3, 3): 1, (3, 6): 1})
    assert await profile(pool, kind="week") == ({(0, 0): 2}, {(0, 0): 2})
    assert await profile(pool, kind="month") == ({(8, 8): 2}, {(8, 8): 1, (8, 9): 1})


async def test_an_installation_that_is_migrated_has_the_profiles_of_its_closed_windows_and_no_revision(
    empty_database: str,
) -> None:
    names = {letter: stage_id(SALES, stage) for stage, letter in enumerate("abc")}
    before = INSTALLED_BEFORE.format(
        start=START,
        next=START + timedelta(minutes=1),
        tenant=SALES.tenant_id,
        pipeline=SALES.pipeline_id,
        **names,
    )
    async with asyncpg.create_pool(empty_database, server_settings={"timezone": "UTC"}) as pool:
        async with pool.acquire() as connection:
            await connection.execute(sql("local/crm"))
            await migrate(connection, known=[each for each in known_migrations() if each.version < 5])
            await connection.execute(before)
            assert 5 in [migration.version for migration in await migrate(connection)]
        desk = await desk_of(pool)
        desk.write("a", entry(0, 7))
        desk.write("b", entry(1, 12))
        await desk.flush()
        assert await desk.close(121) == Published()
        assert await desk.facts() == [(1, 1, 1), (1, 1, 0)]
        assert await profile(pool) == ({(1, 1): 1}, {(1, 2): 1})
        assert await pool.fetchval("select count(*) from funnelproof.run_profile") == 2
        assert await pool.fetchval("select count(*) from funnelproof.window_run") == 2


async def test_a_profile_that_does_not_sum_to_its_count_is_refused(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 7))
    desk.write("b", entry(1, 12))
    await desk.flush()
    await desk.close(60)
    for wrong in (
        "update funnelproof.partial set profile = profile + 1",
        "update funnelproof.partial set deals = deals + 1",
        "update funnelproof.run_profile set entered = entered * 2",
        "update funnelproof.run_profile set converted = converted + 1",
        "update funnelproof.run_profile set converted_count = converted_count + 1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(wrong)
