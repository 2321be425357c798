"""What a repair publishes: a closed window's next revision, from the partials and with the pairs of the run before."""

from datetime import timedelta

import pytest

from streams.domain.windows import from_microseconds, to_microseconds
from streams.publish.closing import Published
from streams.resources import sql
from streams.store.database import Pool
from tests.integration.closing.conftest import KINDS, SALES, START, Desk, entry

WINDOW = KINDS[0].window_at(to_microseconds(START))
LATEST = """
select revision, causes from funnelproof.latest_run where window_start = $1 and pipeline_id = $2::text::uuid
"""


async def touch(pool: Pool, after: timedelta = timedelta(0), *, present_pairs: bool = False) -> None:
    """Have the repair 7 ask for a revision of the first window."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(sql("queries/store/closing_lock"))
        await connection.execute(
            sql("queries/repair/touch"),
            7,
            [SALES.tenant_id],
            [SALES.pipeline_id],
            [WINDOW.name],
            [from_microseconds(WINDOW.start)],
            [from_microseconds(WINDOW.end)],
            [present_pairs],
            after,
        )


async def latest(pool: Pool) -> tuple[int, list[str]]:
    row = await pool.fetchrow(LATEST, from_microseconds(WINDOW.start), SALES.pipeline_id)
    assert row is not None
    return row["revision"], row["causes"]


@pytest.fixture
async def closed(desk: Desk) -> Desk:
    """A window with a deal that has gone from the first stage to the second, closed."""
    desk.write("a", entry(0, 1), late=False)
    desk.write("b", entry(1, 2), late=False)
    await desk.flush()
    assert await desk.close(60) == Published(windows=1, closed_runs=1)
    return desk


@pytest.mark.parametrize(
    "damage",
    [
        "update dyno_crm.report_stage_conversion_fact set converted_count = 0",
        "delete from dyno_crm.report_stage_conversion_fact where entered_count = 1 and converted_count = 1",
        "delete from dyno_crm.report_stage_conversion_fact",
    ],
)
async def test_edited_and_deleted_facts_come_back_as_the_next_revision(
    closed: Desk, pool: Pool, damage: str
) -> None:
    right = await closed.facts()
    await pool.execute(damage)
    assert await closed.facts() != right
    await touch(pool)
    assert await closed.close(61) == Published(revised_runs=1)
    assert await closed.facts() == [(2, *counts) for _, *counts in right]
    assert await latest(pool) == (2, ["repair"])
    assert await closed.close(62) == Published()


async def test_a_deleted_run_is_published_anew(closed: Desk, pool: Pool) -> None:
    right = await closed.facts()
    await pool.execute("delete from dyno_crm.report_run")
    assert await closed.facts() == []
    await touch(pool)
    assert await closed.close(61) == Published(closed_runs=1)
    assert await closed.facts() == right
    assert await latest(pool) == (1, ["repair"])


async def test_a_run_whose_counts_are_right_gets_no_revision(closed: Desk, pool: Pool) -> None:
    await touch(pool)
    assert await closed.close(61) == Published()
    assert await latest(pool) == (1, [])
    assert await pool.fetchval("select count(*) from funnelproof.touched_window") == 0


async def test_changes_of_the_crm_and_a_repair_make_one_revision_with_both_causes(
    closed: Desk, pool: Pool
) -> None:
    await touch(pool, timedelta(seconds=60))  # until the repair has had its effect on the partials
    closed.write("x", entry(0, 3), deal="other")
    await closed.flush()
    assert await closed.close(61) == Published(), "the closer revises nothing before the repair is ready"
    await touch(pool)
    assert await closed.close(62) == Published(revised_runs=1)
    assert await latest(pool) == (2, ["late_insert", "repair"])


async def test_a_run_whose_list_of_pairs_was_edited_gets_the_present_pairs(closed: Desk, pool: Pool) -> None:
    right = await closed.facts()
    await pool.execute(
        "update dyno_crm.report_run set parameters = jsonb_set(parameters, '{stage_pairs}', '[]')"
    )
    await touch(pool, present_pairs=True)
    assert await closed.close(61) == Published(revised_runs=1)
    assert await closed.facts() == [(2, *counts) for _, *counts in right]
    assert await latest(pool) == (2, ["repair"])
    listed = "select jsonb_array_length(parameters -> 'stage_pairs') from dyno_crm.report_run"
    assert [row[0] for row in await pool.fetch(f"{listed} order by generated_at")] == [0, 2]
