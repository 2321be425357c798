"""Partials are fenced: what is written late, twice or by a worker presumed dead changes nothing."""

import pytest

from streams.domain.partition import Delta
from streams.errors import PreconditionError
from streams.facts.database import Pool
from streams.facts.partials import DeadLetter, Partials, PartitionFlush
from tests.integration.closing.conftest import KINDS, Desk, desk_of, entry


async def test_what_was_flushed_is_read_back_by_the_next_owner(desk: Desk) -> None:
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    await desk.flush()
    known = await desk.partials.read(0, KINDS)
    assert known == desk.states[0].counts()
    assert len(known) == 3


async def test_a_flush_from_below_the_claimed_offset_is_refused_and_stays_to_be_written(desk: Desk) -> None:
    desk.write("a", entry(0, 1))
    await desk.partials.claim(0, 5)
    assert await desk.flush() == {1}
    assert await desk.partials.read(0, KINDS) == {}
    desk.states[0].position = 5
    assert await desk.flush() == {0, 1}
    assert len(await desk.partials.read(0, KINDS)) == 1


async def test_a_flush_behind_the_progress_is_refused(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    await desk.flush()
    zombie = await desk_of(pool)
    zombie.write("a", entry(0, 1))
    assert await zombie.flush(0) == set()
    assert len(await desk.partials.read(0, KINDS)) == 3


async def test_taking_over_tells_how_far_postgres_was_told_and_never_lowers_a_claim(desk: Desk) -> None:
    assert await desk.partials.claim(0, 7) is None
    desk.states[0].position = 9
    await desk.flush()
    assert await desk.partials.claim(0, 3) == 9
    desk.states[0].position = 6
    assert await desk.flush(0) == set()


async def test_a_takeover_corrects_what_a_restored_postgres_has_wrong(desk: Desk, pool: Pool) -> None:
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    await desk.flush()
    await pool.execute("update funnelproof.partial set deals = deals + 3 where from_stage_id = to_stage_id")
    await pool.execute("delete from funnelproof.partial where from_stage_id <> to_stage_id")
    known = await desk.partials.read(0, KINDS)
    desk.states[0].reconcile_with(known)
    await desk.flush()
    assert await desk.partials.read(0, KINDS) == desk.states[0].counts()


async def test_another_epoch_shuts_the_old_one_out(desk: Desk, pool: Pool) -> None:
    await desk_of(pool, "another topic")
    desk.write("a", entry(0, 1))
    with pytest.raises(PreconditionError, match="same settings"):
        await desk.flush()


async def test_a_worker_cannot_begin_before_migrate(pool: Pool, desk: Desk) -> None:
    await pool.execute("delete from funnelproof.installation")
    with pytest.raises(PreconditionError, match="funnelproof migrate"):
        await Partials(pool, desk.epoch, "worker").begin()


async def test_a_dead_letter_is_recorded_once_and_resolved_by_a_later_event_of_its_row(
    desk: Desk, pool: Pool
) -> None:
    letter = DeadLetter(3, b"key", b"\x00 no JSON", "no JSON")
    for _ in range(2):
        await desk.partials.flush([PartitionFlush(0, 4, Delta({}, {}), [letter])])
    rows = await pool.fetch(
        "select source_offset, key, value, reason, resolved_at from funnelproof.dead_letter"
    )
    assert [tuple(row) for row in rows] == [(3, b"key", b"\x00 no JSON", "no JSON", None)]
    other = PartitionFlush(0, 9, Delta({}, {}), superseded={b"other": 8})
    later = PartitionFlush(0, 9, Delta({}, {}), superseded={b"key": 8})
    unresolved = "select count(*) from funnelproof.dead_letter where resolved_at is null"
    await desk.partials.flush([other])
    assert await pool.fetchval(unresolved) == 1
    await desk.partials.flush([later])
    assert await pool.fetchval(unresolved) == 0
