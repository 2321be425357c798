"""What may have been lost is noted once, makes results estimates, and is settled by an equal reconciliation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from streams.domain.partition import Delta
from streams.fold.partials import DeadLetter, PartitionFlush
from streams.publish.closing import Published
from streams.resources import sql
from streams.store.database import Pool
from streams.store.doubts import NEW_LOG, REMEDIES, note_doubt, resolve_doubts, unresolved_doubts
from tests.integration.closing.conftest import START, Desk, desk_of, entry

AGO = timedelta(days=1)


async def kinds(pool: Pool) -> list[str]:
    return [doubt.kind for doubt in await unresolved_doubts(pool)]


async def reconciled(pool: Pool, *, began: datetime | None = None) -> None:
    """An equal reconciliation of everything."""
    reconciliation_id = await pool.fetchval(sql("queries/reconciliation/reconcile_begin"))
    if began is not None:
        await pool.execute("update funnelproof.reconciliation set started_at = $1", began)
    await resolve_doubts(pool, reconciliation_id)


async def completeness(pool: Pool) -> list[str]:
    rows = await pool.fetch(
        "select distinct window_start, completeness from dyno_crm.stage_conversion_current order by window_start"
    )
    return [row["completeness"] for row in rows]


async def snapshot(desk: Desk, *positions: int, partition: int = 0) -> None:
    """Flush rows of snapshots that were taken at these positions."""
    state = desk.states[partition]
    flush = PartitionFlush(
        partition, state.position, desk.after[partition], Delta({}, {}), snapshots=set(positions)
    )
    desk.after.update((await desk.partials.flush([flush])).accepted)


async def emitted(pool: Pool, position: int) -> tuple[int, str]:
    """A marker that was emitted at that position."""
    row = await pool.fetchrow(sql("queries/completeness/marker_intend"), "close")
    assert row is not None
    await pool.execute(sql("queries/completeness/marker_emitted"), row["marker_id"], position)
    return row["marker_id"], row["token"]


async def seen(pool: Pool, *markers: tuple[int, str]) -> None:
    await pool.execute(
        sql("queries/completeness/marker_seen"),
        [number for number, _ in markers],
        [token for _, token in markers],
    )


async def test_windows_are_estimated_with_the_reason_until_a_reconciliation_is_equal(
    desk: Desk, pool: Pool
) -> None:
    await desk.close(30)
    await note_doubt(pool, "marker", "a marker is missing")
    await desk.close(60)
    (doubt,) = await unresolved_doubts(pool)
    assert (doubt.reason, doubt.remedy) == ("a marker is missing", REMEDIES["marker"])
    assert doubt.since_time == START + timedelta(seconds=30)
    assert doubt.since_lsn is not None
    reasons = await pool.fetchval("select parameters -> 'reasons' from dyno_crm.report_run")
    assert reasons == '["a marker is missing"]'
    assert await pool.fetchval("select reasons from funnelproof.prover") == ["a marker is missing"]
    await pool.execute("update funnelproof.doubt set last_noted_at = $1", START - AGO)
    await reconciled(pool, began=START)
    await desk.close(120)
    assert await completeness(pool) == ["estimated", "proven"]
    assert await pool.fetchval("select reconciliation_id from funnelproof.doubt") == 1


@pytest.mark.usefixtures("desk")
async def test_a_reconciliation_settles_nothing_that_was_noted_again_since_it_began(pool: Pool) -> None:
    await note_doubt(pool, "marker", "lost")
    began = await pool.fetchval("select clock_timestamp()")
    await note_doubt(pool, "marker", "lost again")
    await reconciled(pool, began=began)
    assert await kinds(pool) == ["marker"]
    await reconciled(pool)
    assert await kinds(pool) == []
    await note_doubt(pool, "marker", "lost a third time")
    assert await kinds(pool) == ["marker"]
    assert await pool.fetchval("select count(*) from funnelproof.doubt") == 2


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("kind", sorted(NEW_LOG))
async def test_what_a_log_has_lost_only_a_new_log_brings_back(pool: Pool, kind: str) -> None:
    await note_doubt(pool, kind, "events were lost")
    await reconciled(pool)
    assert await kinds(pool) == [kind]
    await desk_of(pool, "another topic")
    await reconciled(pool)
    assert await kinds(pool) == []


async def test_a_window_that_was_open_across_a_doubt_was_not_compared_and_stays_an_estimate(
    desk: Desk, pool: Pool
) -> None:
    """
    window  |----first----|----second----|----third----|
    doubt                       !
    reconciliation                   equal               it has compared the first only
    """
    await desk.close(60)
    await pool.execute(
        "update funnelproof.time_window set closed_at = window_end where closed_at is not null"
    )
    await note_doubt(pool, "marker", "lost")
    await pool.execute("update funnelproof.doubt set last_noted_at = $1", START + timedelta(seconds=80))
    await reconciled(pool, began=START + timedelta(seconds=90))
    await desk.close(180)
    assert await completeness(pool) == ["proven", "estimated", "proven"]
    told = await pool.fetchval(
        "select parameters ->> 'reasons' from dyno_crm.report_run where period_start = $1",
        START + timedelta(seconds=60),
    )
    assert told == '["before the last reconciliation: lost"]'


@pytest.mark.usefixtures("desk")
async def test_a_log_that_was_begun_anew_leaves_settled_doubts_behind(pool: Pool) -> None:
    await note_doubt(pool, "marker", "lost")
    await pool.execute("update funnelproof.doubt set last_noted_at = $1", START + timedelta(seconds=80))
    await reconciled(pool, began=START + timedelta(seconds=90))
    anew = await desk_of(pool, "another topic")
    await anew.close(120)
    assert await completeness(pool) == ["proven", "proven"]


async def test_no_reconciliation_settles_a_dead_letter_since_its_row_may_be_wrong_while_counts_are_equal(
    desk: Desk, pool: Pool
) -> None:
    letter = DeadLetter(3, b"key", None, "no JSON")
    await desk.partials.flush([PartitionFlush(0, 4, desk.after[0], Delta({}, {}), [letter])])
    await desk.close(60)
    await pool.execute("update funnelproof.dead_letter set recorded_at = $1", START + timedelta(seconds=70))
    await reconciled(pool, began=START + timedelta(seconds=80))
    assert await kinds(pool) == ["dead_letters"]
    await desk.close(180)
    assert await completeness(pool) == ["estimated", "estimated", "estimated"]


async def test_the_first_snapshot_is_no_doubt_however_many_partitions_and_flushes_it_fills(
    desk: Desk, pool: Pool
) -> None:
    await snapshot(desk, 100)
    await snapshot(desk, 100, partition=1)
    await desk.close(1)
    await snapshot(desk, 100)
    anew = await desk_of(pool)  # a replay meets it again
    await snapshot(anew, 100)
    assert await kinds(pool) == []


@pytest.mark.parametrize("before", [(100,), ()])
async def test_a_fresh_snapshot_over_a_log_that_was_proven_is_a_doubt_once(
    desk: Desk, pool: Pool, before: tuple[int, ...]
) -> None:
    if before:
        await snapshot(desk, *before)
    await desk.close(1)
    await snapshot(desk, 200, partition=1)
    assert await kinds(pool) == ["snapshot"]
    await reconciled(pool)
    anew = await desk_of(pool)
    await snapshot(anew, 200, *before)
    assert await kinds(pool) == []


async def test_a_first_snapshot_that_was_begun_again_is_a_doubt(desk: Desk, pool: Pool) -> None:
    await snapshot(desk, 100)
    await snapshot(desk, 101)
    assert await kinds(pool) == ["snapshot"]


async def test_two_snapshots_in_one_flush_are_a_doubt(desk: Desk, pool: Pool) -> None:
    await snapshot(desk, 100, 200)
    assert await kinds(pool) == ["snapshot"]


async def test_a_flush_that_is_refused_notes_no_snapshot(desk: Desk, pool: Pool) -> None:
    await desk.partials.claim(0, 5)
    await snapshot(desk, 100, 200)
    assert await kinds(pool) == []


@pytest.mark.parametrize("change", [{"system_identifier": "8"}, {"timeline": 2}])
async def test_another_source_is_a_doubt(desk: Desk, pool: Pool, change: dict[str, object]) -> None:
    proof = desk.proof(1)
    await desk.closing.publish(proof, [])
    assert await kinds(pool) == []
    other = replace(proof, marker=replace(proof.marker, **change))  # type: ignore[arg-type]  # one field of its type
    await desk.closing.publish(other, [])
    assert await kinds(pool) == ["source"]
    await pool.execute("delete from funnelproof.doubt")
    await desk.closing.publish(other, [])
    assert await kinds(pool) == []


async def test_a_topic_that_was_made_anew_is_a_doubt_unless_it_begins_with_a_snapshot(
    desk: Desk, pool: Pool
) -> None:
    await desk.close(1)
    begun = await desk_of(pool, "begun anew")
    await snapshot(begun, 300)
    await begun.close(2)
    assert await kinds(pool) == []
    hollow = await desk_of(pool, "made by hand")
    await hollow.close(3)
    assert await kinds(pool) == ["topic"]


@pytest.mark.usefixtures("desk")
async def test_a_lost_marker_is_told_from_one_that_the_connector_could_not_know(pool: Pool) -> None:
    await emitted(pool, 10)
    await seen(pool, await emitted(pool, 20))
    assert await kinds(pool) == []
    await emitted(pool, 30)
    await seen(pool, await emitted(pool, 40))
    assert await kinds(pool) == ["marker"]
    await reconciled(pool)
    await seen(pool, await emitted(pool, 50))
    assert await kinds(pool) == []  # it is not missed twice


@pytest.mark.usefixtures("desk")
async def test_markers_go_once_they_are_evidence_of_nothing_any_more(pool: Pool) -> None:
    """Seen, but not the first; or never emitted. One that was emitted and never came must be missed first."""
    first, second, lost, recent = [await emitted(pool, position) for position in (10, 20, 30, 40)]
    await seen(pool, first, second, recent)
    await pool.fetchrow(sql("queries/completeness/marker_intend"), "close")
    await pool.execute(
        "update funnelproof.marker set intended_at = intended_at - $1::interval, seen_at = seen_at - $1::interval "
        "where marker_id <> $2",
        *(AGO, recent[0]),
    )
    await pool.execute(sql("queries/completeness/marker_prune"), 1000)
    left = await pool.fetch("select marker_id from funnelproof.marker order by 1")
    assert [row[0] for row in left] == [first[0], lost[0], recent[0]]


async def test_proofs_go_unless_a_run_refers_to_them(desk: Desk, pool: Pool) -> None:
    await desk.close(60)
    for entered in (entry(0, 1), None):  # a correction that nets to nothing is looked at, and has no run
        desk.write("a", entered)
        await desk.flush()
    assert await desk.close(61) == Published()
    assert await pool.fetchval("select count(*) from funnelproof.proof") == 2
    await pool.execute("update funnelproof.proof set proven_at = proven_at - $1::interval", AGO)
    await pool.execute(sql("queries/completeness/marker_prune"), 1000)
    left = await pool.fetch("select proof_id from funnelproof.proof")
    assert [tuple(row) for row in left] == [
        tuple(row) for row in await pool.fetch("select distinct proof_id from funnelproof.window_run")
    ]


@pytest.mark.usefixtures("desk")
async def test_a_marker_of_an_older_state_of_the_database_proves_nothing(pool: Pool) -> None:
    await seen(pool, await emitted(pool, 10))
    number, _ = await emitted(pool, 20)
    await seen(pool, (number, "00000000-0000-4000-8000-000000000000"))
    assert (
        await pool.fetchval(
            "select count(*) from funnelproof.marker where seen_at is null and emitted_lsn = '0/14'"
        )
        == 1
    )


@pytest.mark.usefixtures("desk")
async def test_a_source_whose_log_went_back_is_a_doubt_once(pool: Pool) -> None:
    await seen(pool, await emitted(pool, 50))
    await seen(pool, await emitted(pool, 40))
    assert await kinds(pool) == ["source"]
    await pool.execute("delete from funnelproof.doubt")
    await seen(pool, await emitted(pool, 45))
    assert await kinds(pool) == []


async def test_what_no_marker_proves_is_published_with_its_reason(desk: Desk, pool: Pool) -> None:
    proof = desk.proof(60, "no markers")
    marker = replace(proof.marker, marker_id=None, system_identifier=None, timeline=None)
    due = await desk.closing.due(int((START + timedelta(seconds=60)).astimezone(UTC).timestamp() * 1_000_000))
    assert await desk.closing.publish(replace(proof, marker=marker), due) == Published(1, 1)
    assert await completeness(pool) == ["estimated"]
    assert await kinds(pool) == []
