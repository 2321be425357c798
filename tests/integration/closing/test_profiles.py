"""The profiles of runs: summed over partitions, current for a window's last run, and equal to their counts.

Buckets of the minute from START on have five seconds: second 7 lies in bucket 1, second 12 in bucket 2.
"""

from datetime import timedelta

import asyncpg
import pytest

from streams.domain.profile import BUCKETS
from streams.domain.windows import to_microseconds
from streams.publish.closing import Published
from streams.store.database import Pool
from tests.integration.closing.conftest import IDLE, KINDS, SALES, START, Desk, desk_of, entry, stage_id

Places = dict[tuple[int, int], int]


async def profile(pool: Pool, revision: int = 1) -> tuple[Places, Places]:
    """Return the deals by place that entered stage 0, and that converted from there to stage 1."""
    row = await pool.fetchrow(
        """
        select funnelproof.profile_entered(entered) as entered, funnelproof.profile_converted(converted) as converted
        from funnelproof.run_profile
        inner join funnelproof.window_run using (run_id)
        where revision = $1 and from_stage_id = $2::text::uuid
        """,
        revision,
        stage_id(SALES, 0),
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


async def test_a_backfilled_window_has_profiles(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, -53))
    desk.write("b", entry(1, -1))
    await desk.flush()
    before = KINDS[0].window_at(to_microseconds(START - timedelta(minutes=1)))
    await desk.historic.publish(desk.proof(30), [before])
    assert await profile(pool) == ({(1, 1): 1}, {(1, 11): 1})


async def test_windows_that_closed_without_profiles_get_them_from_the_new_epochs_counts(
    desk: Desk, pool: Pool
) -> None:
    """So an installation that is migrated has the profiles of all its closed windows, without a revision."""
    desk.write("a", entry(0, 7))
    await desk.flush()
    await desk.close(60)
    await pool.execute("delete from funnelproof.run_profile")
    await pool.execute("update funnelproof.partial set profile = null")
    anew = await desk_of(pool, "another topic")
    await anew.meet_snapshot(100)
    anew.write("a", entry(0, 7))
    await anew.flush()
    assert await anew.close(61) == Published()
    assert await profile(pool) == ({(1, 1): 1}, {})


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
