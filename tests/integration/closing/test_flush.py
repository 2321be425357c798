"""Partials are fenced: what is written late, twice or by a worker presumed dead changes nothing."""

import asyncio

import pytest

from streams.domain.partition import Delta
from streams.errors import PreconditionError
from streams.fold import partials
from streams.fold.partials import DeadLetter, Partials, PartitionFlush, Takeover
from streams.resources import sql
from streams.store.database import Pool
from streams.store.epoch import begin_epoch
from tests.integration.closing.conftest import Desk, desk_of, entry


async def test_what_was_flushed_is_read_back_by_the_next_owner(desk: Desk) -> None:
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    await desk.flush()
    known = await desk.partials.read(0)
    assert known == desk.states[0].profiles()
    assert len(known) == 3


async def test_a_flush_from_below_the_claimed_offset_is_refused_and_stays_to_be_written(desk: Desk) -> None:
    desk.write("a", entry(0, 1))
    await desk.partials.claim(0, 5)
    flushed = await desk.flush()
    assert flushed.accepted == {1: 1}
    assert flushed.refused == {0}
    assert await desk.partials.read(0) == {}
    desk.states[0].position = 5
    assert (await desk.flush()).accepted == {0: 1, 1: 2}
    assert len(await desk.partials.read(0)) == 1


async def test_a_flush_behind_the_progress_is_refused(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    await desk.flush()
    zombie = await desk_of(pool)
    zombie.write("a", entry(0, 1))
    assert (await zombie.flush(0)).refused == {0}
    assert len(await desk.partials.read(0)) == 3


async def test_a_flush_does_not_follow_one_of_another_worker_that_bears_the_number_of_its_own_lost_one(
    desk: Desk, pool: Pool
) -> None:
    """Postgres goes back behind both; the first to flush then is given the number that was lost."""
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    assert (await desk.flush(0)).accepted == {0: 1}
    await pool.execute("delete from funnelproof.partial")
    await pool.execute(
        "update funnelproof.partition_progress set source_offset = null, flushes = 0, flushed_by = null"
    )
    other = await desk_of(pool)
    other.partials = Partials(pool, other.epoch, "another worker")
    await other.take_over(0, 0)
    other.write("a", entry(0, 1))
    assert (await other.flush(0)).accepted == {0: 1}

    desk.write("c", entry(2, 3))
    assert (await desk.flush(0)).astray == {0}
    await desk.take_over(0, 3)
    assert (await desk.flush(0)).accepted == {0: 2}
    assert await desk.partials.read(0) == desk.states[0].profiles()


async def test_taking_over_tells_how_far_postgres_was_told_and_never_lowers_a_claim(desk: Desk) -> None:
    assert await desk.partials.claim(0, 7) == Takeover(None, 0)
    assert await desk.partials.claim(0, 3) == Takeover(None, 0)
    desk.states[0].position = 6
    assert (await desk.flush(0)).refused == {0}
    desk.states[0].position = 9
    await desk.flush()
    assert await desk.partials.claim(0, 3) == Takeover(9, 1)
    desk.states[0].position = 6
    assert (await desk.flush(0)).refused == {0}


async def test_a_takeover_waits_for_a_flush_that_has_been_judged(desk: Desk, pool: Pool) -> None:
    """Else that flush would be written after the takeover had read what there was."""
    async with pool.acquire() as zombie, zombie.transaction():
        await zombie.fetch(sql("queries/fold/flush_lock"), desk.epoch.id, [0])
        claim = asyncio.create_task(desk.partials.claim(0, 7))
        await asyncio.sleep(0.3)
        assert not claim.done()
    assert await asyncio.wait_for(claim, 5) == Takeover(None, 0)


async def test_a_takeover_writes_only_what_differs(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    await desk.flush()
    successor = await desk_of(pool)
    successor.write("a", entry(0, 1))
    successor.write("b", entry(1, 2))
    await pool.execute(
        "update funnelproof.partial set deals = 7, profile = 7 where from_stage_id <> to_stage_id"
    )
    await successor.take_over(0, 2)
    assert [key.from_stage != key.to_stage for key in successor.states[0].drain().profiles] == [True]


async def test_a_postgres_that_has_lost_all_progress_is_noticed(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    await desk.flush()
    await pool.execute("delete from funnelproof.partition_progress")
    assert (await desk.flush()).astray == {0, 1}


async def test_a_flush_that_was_committed_without_an_answer_is_not_repeated_blindly(desk: Desk) -> None:
    desk.write("a", entry(0, 1))
    before = dict(desk.after)
    await desk.flush()
    desk.after = before  # as if the connection had broken between the commit and its answer
    assert (await desk.flush()).astray == {0, 1}


async def test_a_large_flush_is_written_in_several_statements(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partials, "ROWS_AT_ONCE", 2)
    for number in range(3):
        desk.write(f"row {number}", entry(number, number))
    await desk.flush()
    assert await desk.partials.read(0) == desk.states[0].profiles()
    assert len(desk.states[0].profiles()) == 6


async def test_another_epoch_shuts_the_old_one_out(desk: Desk, pool: Pool) -> None:
    await desk_of(pool, "another topic")
    desk.write("a", entry(0, 1))
    with pytest.raises(PreconditionError, match="same settings"):
        await desk.flush()


async def test_a_worker_cannot_begin_before_migrate(pool: Pool, desk: Desk) -> None:
    await pool.execute("delete from funnelproof.installation")
    with pytest.raises(PreconditionError, match="funnelproof migrate"):
        await begin_epoch(pool, desk.epoch)


async def test_a_dead_letter_is_recorded_once_and_resolved_by_a_later_event_of_its_row(
    desk: Desk, pool: Pool
) -> None:
    letter = DeadLetter(3, b"key", b"\x00 no JSON", "no JSON")
    for number in range(2):
        await desk.partials.flush([PartitionFlush(0, 4, number, Delta({}, {}), [letter])])
    rows = await pool.fetch(
        "select source_offset, key, value, reason, resolved_at from funnelproof.dead_letter"
    )
    assert [tuple(row) for row in rows] == [(3, b"key", b"\x00 no JSON", "no JSON", None)]
    other = PartitionFlush(0, 9, 2, Delta({}, {}), superseded={b"other": 8, b"key": 2})
    later = PartitionFlush(0, 9, 3, Delta({}, {}), superseded={b"key": 8})
    unresolved = "select count(*) from funnelproof.dead_letter where resolved_at is null"
    await desk.partials.flush([other])
    assert await pool.fetchval(unresolved) == 1
    await desk.partials.flush([later])
    assert await pool.fetchval(unresolved) == 0
