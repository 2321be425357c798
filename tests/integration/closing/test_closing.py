"""Windows close once, on a proof, and every later change is a numbered revision."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from streams.domain.plan import plan_for
from streams.domain.windows import to_microseconds
from streams.errors import PreconditionError
from streams.publish import closing
from streams.publish.closing import Closing, Published
from streams.resources import sql
from streams.store.database import Pool
from tests.integration.closing.conftest import IDLE, KINDS, SALES, START, Desk, desk_of, entry

MINUTE = timedelta(minutes=1)


async def revisions(pool: Pool) -> list[tuple[object, ...]]:
    rows = await pool.fetch(
        """
        select revision, entered_before, entered_after, converted_before, converted_after, causes
        from dyno_crm.stage_conversion_revisions order by revision, from_stage_id
        """
    )
    return [tuple(row) for row in rows]


async def test_a_window_closes_with_the_sums_of_all_partitions(desk: Desk) -> None:
    for partition, deal in enumerate(["one", "two"]):
        desk.write("a", entry(0, 1), deal=deal, partition=partition)
        desk.write("b", entry(1, 2), deal=deal, partition=partition)
    desk.write("c", entry(0, 30), deal="three")
    await desk.flush()
    assert await desk.close(60) == Published(windows=1, closed_runs=1)
    assert await desk.facts() == [(1, 3, 2), (1, 2, 0)]


async def test_a_window_is_not_due_before_its_end(desk: Desk) -> None:
    assert await desk.close(59.999) == Published()
    assert await desk.close(60) == Published(windows=1, closed_runs=1)


async def test_windows_that_ended_before_the_installation_are_neither_live_nor_closed(
    desk: Desk, pool: Pool
) -> None:
    desk.write("a", entry(0, -30))
    await desk.flush()
    await desk.close(30)
    live = await pool.fetch("select distinct window_start from dyno_crm.stage_conversion_live")
    assert [row[0] for row in live] == [START]
    await desk.close(60)
    assert await desk.facts(KINDS[0].window_at(to_microseconds(START - MINUTE))) == []


async def test_a_pipeline_without_entries_gets_zero_rows(desk: Desk) -> None:
    assert await desk.close(60, scopes=(SALES, IDLE)) == Published(windows=1, closed_runs=2)
    assert await desk.facts(scope=IDLE) == [(1, 0, 0), (1, 0, 0)]


async def test_a_run_says_what_it_stands_for(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    await desk.flush()
    await desk.close(60, "a doubt")
    run = await pool.fetchrow("select * from dyno_crm.report_run")
    assert run is not None
    assert (run["status"], run["report_type"], run["period_start"]) == (
        "COMPLETED",
        "STAGE_CONVERSION",
        START,
    )
    told = json.loads(run["parameters"])
    assert told.pop("source_lsn")
    assert len(told.pop("stage_pairs")) == 2
    assert told == {
        "pipeline_id": SALES.pipeline_id,
        "window": "1m",
        "timezone": "UTC",
        "revision": 1,
        "causes": [],
        "completeness": "estimated",
        "reasons": ["a doubt"],
        "open_transactions": [],
        "positions": {"0": 1, "1": 0},
        "origin": "stream",
    }


async def test_a_later_change_is_the_next_revision_with_its_cause(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1), late=False)
    await desk.flush()
    await desk.close(60)
    desk.write("b", entry(1, 2))
    await desk.flush()
    assert await desk.close(61) == Published(revised_runs=1)
    assert await desk.facts() == [(2, 1, 1), (2, 1, 0)]
    assert await revisions(pool) == [
        (2, 1, 1, 0, 1, ["late_insert"]),
        (2, 0, 1, 0, 0, ["late_insert"]),
    ]


async def test_a_revision_says_where_in_the_source_s_log_its_changes_lie_for_good(
    desk: Desk, pool: Pool
) -> None:
    desk.write("a", entry(0, 1), late=False)
    await desk.flush()
    await desk.close(60)
    lowest = desk.lsn + 1
    desk.write("b", entry(1, 2), partition=1, deal="other")
    await desk.flush()
    desk.write("c", entry(1, 2))
    desk.write("c", entry(1, 3))
    highest = desk.lsn
    desk.write("c", entry(1, 4))
    await desk.flush()
    assert await desk.close(61) == Published(revised_runs=1)
    await pool.execute("delete from funnelproof.change_note")
    told = await pool.fetch(
        "select distinct causes, lowest_lsn - '0/0'::pg_lsn, highest_lsn - '0/0'::pg_lsn "
        "from dyno_crm.stage_conversion_revisions"
    )
    # The last change of the row changed no count: the deal had entered, and later, before it too.
    assert [tuple(row) for row in told] == [(["late_insert"], lowest, highest - 1)]


async def test_a_correction_that_nets_to_nothing_makes_no_revision(desk: Desk) -> None:
    desk.write("a", entry(0, 1))
    await desk.flush()
    await desk.close(60)
    desk.write("b", entry(1, 2))
    await desk.flush()
    desk.write("b", None)
    await desk.flush()
    assert await desk.close(61) == Published()
    assert await desk.close(62) == Published()
    assert await desk.facts() == [(1, 1, 0), (1, 0, 0)]


async def test_a_change_flushed_before_the_close_belongs_to_the_first_revision(desk: Desk) -> None:
    await desk.flush()
    desk.write("a", entry(0, 1))
    await desk.flush()
    await desk.close(60)
    assert await desk.close(61) == Published()
    assert await desk.facts() == [(1, 1, 0), (1, 0, 0)]


async def test_a_flush_that_commits_beside_a_close_becomes_a_revision(desk: Desk, pool: Pool) -> None:
    """The flush has locked its progress and written, the close does not see it and commits first."""
    desk.write("a", entry(0, 1))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select from funnelproof.partition_progress for update")
        flush = asyncio.create_task(desk.flush())
        await asyncio.sleep(0.1)
        assert await desk.close(60) == Published(windows=1, closed_runs=1)
        assert not flush.done()
    await flush
    assert await desk.facts() == [(1, 0, 0), (1, 0, 0)]
    assert await desk.close(61) == Published(revised_runs=1)
    assert await desk.facts() == [(2, 1, 0), (2, 0, 0)]


async def test_a_takeover_that_corrects_at_the_same_offset_is_found(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    await desk.flush()
    await pool.execute("update funnelproof.partial set deals = 5, profile = 5")
    await desk.close(60)
    assert await desk.facts() == [(1, 5, 0), (1, 0, 0)]
    await desk.take_over(0, 1)
    await desk.flush()
    assert await desk.close(61) == Published(revised_runs=1)
    assert await desk.facts() == [(2, 1, 0), (2, 0, 0)]
    cause = await pool.fetchrow(
        "select causes, lowest_lsn, highest_lsn from funnelproof.window_run where revision = 2"
    )
    assert cause is not None
    assert tuple(cause) == (["unknown"], None, None)


async def test_many_closers_at_once_make_each_revision_once(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    await desk.flush()
    closers = [Closing(pool, desk.epoch, timedelta(0), f"worker {number}") for number in range(6)]
    until = to_microseconds(START + 3 * MINUTE)
    due = await closers[0].due(until)
    proof = desk.proof(180)
    published = await asyncio.gather(*(closer.publish(proof, due) for closer in closers))
    assert sum(each.windows for each in published) == 3
    assert sum(each.closed_runs for each in published) == 3
    desk.write("b", entry(1, 2))
    await desk.flush()
    proof = desk.proof(181)
    published = await asyncio.gather(*(closer.publish(proof, due) for closer in closers))
    assert sum(each.revised_runs for each in published) == 1


async def test_a_proof_older_than_the_last_changes_nothing(desk: Desk) -> None:
    old = desk.proof(60)
    await desk.close(120)
    desk.write("a", entry(0, 1))
    await desk.flush()
    assert await desk.closing.publish(old, []) == Published()
    assert await desk.close(121) == Published(revised_runs=1)


async def test_closed_windows_keep_their_pairs_when_stages_are_reordered(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 62), deal="other")
    await desk.flush()
    await desk.close(60)
    proof = desk.proof(120)
    due = await desk.closing.due(to_microseconds(START + 2 * MINUTE))
    reordered = [replace(stage, display_order=-stage.display_order) for stage in proof.marker.stages]
    marker = replace(proof.marker, stages=reordered)
    await desk.closing.publish(replace(proof, marker=marker), due)
    desk.write("c", entry(0, 3), deal="third")
    await desk.flush()
    later = START + timedelta(seconds=121)
    await desk.closing.publish(replace(proof, marker=marker, source_time=later), [])
    pairs = await pool.fetch(
        """
        select window_start, revision, right(from_stage_id::text, 1) || right(to_stage_id::text, 1) as pair
        from dyno_crm.stage_conversion_current order by 1, 3
        """
    )
    assert [tuple(row) for row in pairs] == [
        (START, 2, "01"),
        (START, 2, "12"),
        (START + MINUTE, 1, "10"),
        (START + MINUTE, 1, "21"),
    ]


async def test_a_closer_with_other_settings_is_refused(desk: Desk, pool: Pool) -> None:
    await desk_of(pool, "another topic")
    with pytest.raises(PreconditionError, match="same settings"):
        await desk.close(60)


async def test_live_counts_are_there_before_the_close_and_gone_after(desk: Desk, pool: Pool) -> None:
    live = "select window_start, entered_count, as_of from dyno_crm.stage_conversion_live order by 1, from_stage_id"
    await desk.flush()
    await desk.close(30)
    desk.write("a", entry(0, 31))
    await desk.flush()
    rows = await pool.fetch(live)
    assert [(row[0], row[1]) for row in rows] == [(START, 1), (START, 0)]
    assert rows[0]["as_of"] is not None
    await desk.close(60)
    assert [(row[0], row[1]) for row in await pool.fetch(live)] == [(START + MINUTE, 0), (START + MINUTE, 0)]


async def test_a_window_of_a_kind_that_is_not_counted_any_more_is_not_live_for_ever(pool: Pool) -> None:
    live = "select window_name from dyno_crm.stage_conversion_live group by window_name order by window_name"
    both = await desk_of(pool, plan=plan_for(("1h", "1m"), "UTC"))
    await both.close(1)
    assert [row[0] for row in await pool.fetch(live)] == ["1h", "1m"]
    one = await desk_of(pool)
    await one.close(2)
    assert [row[0] for row in await pool.fetch(live)] == ["1m"]
    told = await pool.fetchrow(sql("queries/operations/status_facts"))
    assert told is not None
    assert told["open_windows"] == 1
    again = await desk_of(pool, plan=both.epoch.plan)
    await again.close(3600)
    assert (
        await pool.fetchval("select count(*) from funnelproof.time_window where closed_at is not null") == 61
    )


async def test_live_counts_have_no_age_while_a_partition_was_never_folded(desk: Desk, pool: Pool) -> None:
    await desk.close(30)
    await desk.flush(0)
    assert {row[0] for row in await pool.fetch("select as_of from dyno_crm.stage_conversion_live")} == {None}


async def test_unresolved_dead_letters_make_windows_estimated(desk: Desk, pool: Pool) -> None:
    await pool.execute(
        "insert into funnelproof.dead_letter (topic_id, partition, source_offset, reason) values ('topic', 0, 1, 'bad')"
    )
    await desk.close(60)
    await pool.execute("update funnelproof.dead_letter set resolved_at = now()")
    await desk.close(120)
    rows = await pool.fetch(
        "select distinct window_start, completeness from dyno_crm.stage_conversion_current order by 1"
    )
    assert [row["completeness"] for row in rows] == ["estimated", "proven"]


async def test_a_new_epoch_revises_closed_windows_whose_counts_have_vanished(desk: Desk, pool: Pool) -> None:
    """The topic was made anew from a snapshot, and deals were deleted in between: some of a window, all of another."""
    desk.write("a", entry(0, 1))
    desk.write("b", entry(0, 2), deal="stays")
    desk.write("c", entry(0, 61), deal="goes too")
    await desk.flush()
    await desk.close(120)
    anew = await desk_of(pool, "another topic")
    anew.write("b", entry(0, 2), deal="stays")
    await anew.flush()
    await anew.meet_snapshot(100)
    assert await anew.close(121) == Published(revised_runs=2)
    assert await anew.facts() == [(2, 1, 0), (2, 0, 0)]
    assert await anew.facts(KINDS[0].window_at(to_microseconds(START + MINUTE))) == [(2, 0, 0), (2, 0, 0)]
    assert await anew.close(122) == Published()


async def test_counts_and_progress_of_another_epoch_are_in_no_sum(desk: Desk, pool: Pool) -> None:
    """Neither in a live view, nor in a first run or its positions, nor in what a proof waits for."""
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2), partition=1)
    desk.states[1].position = 9
    await desk.flush()
    await pool.execute(  # as if it had had more partitions
        "insert into funnelproof.partition_progress (epoch, partition, source_offset, claimed, worker) "
        "select epoch, 7, 9, 9, 'worker' from funnelproof.installation"
    )
    anew = await desk_of(pool, "another topic")
    anew.write("c", entry(0, 3), deal="another deal")
    await anew.flush(0)
    assert {
        row["partition"]: row["source_offset"]
        for row in await pool.fetch(sql("queries/completeness/progress"))
    } == {0: 1}
    await anew.close(30)
    live = await pool.fetch(
        "select entered_count, as_of from dyno_crm.stage_conversion_live order by from_stage_id"
    )
    assert [tuple(row) for row in live] == [(1, None), (0, None)]
    await anew.close(60)
    assert await anew.facts() == [(1, 1, 0), (1, 0, 0)]
    assert json.loads(await pool.fetchval("select positions from funnelproof.window_run")) == {
        "0": 1,
        "1": None,
    }


async def test_after_a_long_pause_windows_close_oldest_first_in_bounded_transactions(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "RUNS_AT_ONCE", 4)
    assert await desk.close(300, scopes=(SALES, IDLE)) == Published(windows=2, closed_runs=4)
    assert await desk.close(301, scopes=(SALES, IDLE)) == Published(windows=2, closed_runs=4)
    assert await desk.close(302, scopes=(SALES, IDLE)) == Published(windows=1, closed_runs=2)
    assert await desk.close(303, scopes=(SALES, IDLE)) == Published()


async def test_stages_are_renamed_and_removed_with_the_source(desk: Desk, pool: Pool) -> None:
    names = "select name from funnelproof.pipeline_stage order by stage_id"
    await desk.close(1)
    assert [row[0] for row in await pool.fetch(names)] == ["stage 0", "stage 1", "stage 2"]
    proof = desk.proof(2)
    first, second, _ = proof.marker.stages
    marker = replace(proof.marker, stages=[replace(first, name=None), replace(second, name="renamed")])
    await desk.closing.publish(replace(proof, marker=marker), [])
    assert [row[0] for row in await pool.fetch(names)] == [None, "renamed"]
