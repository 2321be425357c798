"""The ledger of comparisons: which closed windows are due, and what was found; the stream is what the test tells it."""

import asyncio
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from streams.reconciliation import Job, ledger
from streams.reconciliation.batches import in_batches
from streams.reconciliation.ledger import DueWindow, due_windows, read_ledger
from streams.reconciliation.reader import Reader
from streams.reconciliation.reconcile import Sessions, compare
from streams.reconciliation.result import ReconcileResult
from streams.settings import Settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import Pool
from streams.store.doubts import unresolved_doubts
from tests.integration.closing.conftest import SALES, START, TENANT, Desk, entry, stage_id, write_to_crm
from tests.integration.closing.quiet import let_a_deal_convert, sessions

__all__ = ["sessions"]

MINUTE = timedelta(minutes=1)
EVERY = timedelta(minutes=15)
WINDOWS = 9


@pytest.fixture(autouse=True)
async def closed(desk: Desk, sessions: Sessions) -> None:
    """Nine windows of a pipeline are closed, with a deal in one."""
    await let_a_deal_convert(desk, sessions)
    await desk.close(60 * WINDOWS)


async def compare_due(sessions: Sessions) -> tuple[list[DueWindow], ReconcileResult]:
    """Compare what is due, as a round of the job does."""
    due = await due_windows(sessions.report, EVERY)
    batches = in_batches((each.kind, each.start, each.runs) for each in due)
    return due, await compare(sessions, ClosedScope(), batches, patience=timedelta(0))


async def reasons(sessions: Sessions) -> dict[str, int]:
    return dict(Counter(each.reason for each in await due_windows(sessions.report, EVERY)))


async def entries(pool: Pool, minute: int = 0) -> dict[str, Any]:
    """The line of a window in the ledger."""
    row = await pool.fetchrow(
        "select * from dyno_crm.stage_conversion_ledger where window_start = $1", START + minute * MINUTE
    )
    assert row is not None
    return dict(row)


async def age(pool: Pool, by: timedelta) -> None:
    """Let everything that was closed and compared have been so much earlier."""
    await pool.execute("update funnelproof.time_window set closed_at = closed_at - $1::interval", by)
    await pool.execute(
        "update funnelproof.window_comparison set compared_at = compared_at - $1::interval, "
        "revised_at = revised_at - $1::interval, different_since = different_since - $1::interval",
        by,
    )


async def test_a_window_is_compared_once_it_has_closed_and_then_no_more(
    sessions: Sessions, desk: Desk
) -> None:
    due, result = await compare_due(sessions)
    assert (result.outcome, result.runs) == ("equal", WINDOWS)
    assert {(each.kind, each.runs, each.reason) for each in due} == {("1m", 1, "new")}
    assert await due_windows(sessions.report, EVERY) == []
    await desk.close(60 * WINDOWS + 60)
    (new,) = await due_windows(sessions.report, EVERY)
    assert new == DueWindow("1m", START + WINDOWS * MINUTE, 1, "new")


async def test_a_window_is_compared_again_after_a_day(sessions: Sessions) -> None:
    await compare_due(sessions)
    await age(sessions.report, timedelta(hours=25))
    assert await reasons(sessions) == {"a day old": WINDOWS}
    await compare_due(sessions)
    assert await reasons(sessions) == {}


async def test_a_revised_window_is_compared_again(sessions: Sessions, desk: Desk, pool: Pool) -> None:
    await compare_due(sessions)
    before = await entries(pool)
    assert (before["revision"], before["outcome"], before["revised_at"]) == (1, "equal", None)
    row = uuid5(UUID(TENANT), "late")
    await write_to_crm(sessions.source, row, row, (SALES, 0, 5))
    desk.write(str(row), entry(0, 5), deal=str(row))
    await desk.flush()
    await desk.close(60 * WINDOWS)
    after = await entries(pool)
    assert (after["revision"], after["outcome"], after["revised_at"] is None) == (2, "outdated", False)
    due, result = await compare_due(sessions)
    assert [(each.start, each.reason) for each in due] == [(START, "revised")]
    assert (result.outcome, (await entries(pool))["outcome"]) == ("equal", "equal")
    assert (await entries(pool))["comparisons"] == 2
    assert await due_windows(sessions.report, EVERY) == []


async def test_old_windows_take_turns_so_that_all_are_compared_within_a_week(
    sessions: Sessions,
) -> None:
    """A round through all nine windows takes three days; a look every eight hours takes one of them."""
    await compare_due(sessions)
    await age(sessions.report, timedelta(days=2))
    await compare_due(sessions)
    every = timedelta(hours=8)
    compared: set[datetime] = set()
    looks = 0
    while len(compared) < WINDOWS:
        looks += 1
        assert looks * every <= timedelta(days=7)
        await age(sessions.report, every)
        due = await due_windows(sessions.report, every)
        assert len(due) <= 1
        compared |= {each.start for each in due}
        batches = in_batches((each.kind, each.start, each.runs) for each in due)
        await compare(sessions, ClosedScope(), batches, patience=timedelta(0))
    assert looks * every > ledger.ROUND  # and not all at once


async def test_a_difference_stays_in_the_ledger_until_it_is_mended(sessions: Sessions, pool: Pool) -> None:
    edit = (
        "update dyno_crm.report_stage_conversion_fact set entered_count = $1 where entered_count > 0 "
        "and from_stage_id = $2::text::uuid"
    )
    await pool.execute(edit, 7, stage_id(SALES, 0))
    _, result = await compare_due(sessions)
    assert (result.outcome, (await entries(pool))["outcome"]) == ("different", "different")
    assert (await entries(pool, 1))["outcome"] == "equal"
    await age(pool, timedelta(hours=2))
    reading = await read_ledger(pool)
    assert (reading.windows, reading.never_compared, reading.different) == (WINDOWS, 0, 1)
    assert reading.different_age == pytest.approx(7200, abs=60)
    assert await reasons(sessions) == {"different": 1}
    await compare_due(sessions)
    assert (await read_ledger(pool)).different_age == pytest.approx(7200, abs=60)
    assert [doubt.kind for doubt in await unresolved_doubts(pool)] == ["reconciliation"]
    await pool.execute(edit, 1, stage_id(SALES, 0))
    await compare_due(sessions)
    assert ((await entries(pool))["outcome"], (await read_ledger(pool)).different) == ("equal", 0)
    assert await unresolved_doubts(pool) == []


async def test_a_doubt_of_before_the_ledger_stays_until_every_window_was_compared(
    sessions: Sessions, pool: Pool
) -> None:
    await pool.execute("select funnelproof.note_doubt('reconciliation', 'found by an earlier version')")
    one = in_batches([("1m", START, 1)])
    await compare(sessions, ClosedScope(), one, patience=timedelta(0))
    assert len(await unresolved_doubts(pool)) == 1
    await compare_due(sessions)
    assert await unresolved_doubts(pool) == []


async def test_a_missing_run_has_a_line_in_the_ledger(sessions: Sessions, pool: Pool) -> None:
    await pool.execute(
        "delete from dyno_crm.report_run where id in "
        "(select run_id from funnelproof.window_run where window_start = $1)",
        START,
    )
    await compare_due(sessions)
    line = await entries(pool)
    assert (line["run_id"], line["revision"], line["outcome"]) == (None, 0, "different")


async def test_the_comparison_of_one_pipeline_tells_nothing_of_the_others(
    sessions: Sessions, pool: Pool
) -> None:
    scope = ClosedScope(UUID(TENANT), UUID(SALES.pipeline_id))
    assert (await compare(sessions, scope, patience=timedelta(0))).outcome == "equal"
    assert (await read_ledger(pool)).never_compared == WINDOWS


async def test_a_window_waits_from_its_close_or_its_revision_until_it_is_compared(
    sessions: Sessions, pool: Pool
) -> None:
    await pool.execute("update funnelproof.time_window set closed_at = closed_at - interval '2 hours'")
    assert (await read_ledger(pool)).uncompared_age == pytest.approx(7200, abs=60)
    await compare_due(sessions)
    assert (await read_ledger(pool)).uncompared_age is None
    await pool.execute(
        "update funnelproof.window_comparison set revised_at = clock_timestamp() where window_start = $1",
        START,
    )
    assert (await read_ledger(pool)).uncompared_age == pytest.approx(0, abs=60)
    await compare_due(sessions)
    assert (await read_ledger(pool)).uncompared_age is None


async def test_a_gentle_reader_rests_after_a_snapshot(sessions: Sessions) -> None:
    reader = Reader(sessions.source, timedelta(seconds=30), share=0.2)
    began = time.monotonic()
    for _ in range(3):
        async with reader.snapshot() as (source, _):
            await source.execute("select pg_sleep(0.1)")
    spent = time.monotonic() - began
    assert 0.3 <= reader.seconds <= spent
    assert reader.seconds - 0.15 <= 0.2 * spent + 0.1  # the last snapshot's rest is still to come


async def test_one_job_runs_and_another_takes_over(pool: Pool, database: str) -> None:
    first, second = (Job(Settings(source_dsn=database), EVERY) for _ in range(2))
    assert await first.is_alone()
    assert await first.is_alone()
    assert not await second.is_alone()
    ended = await pool.fetchval(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1 "
        "and datname = current_database()",
        "funnelproof reconcile job",
    )
    assert ended == 1
    while not await second.is_alone():  # the server ends the session in its own time
        await asyncio.sleep(0.05)
    assert not await first.is_alone()
    await second.release()
    assert await first.is_alone()
    await first.release()
