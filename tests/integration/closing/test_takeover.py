"""Two workers and one partition: what a worker may tell Postgres, from when on, and until when.

log      0  1  2  3  4  5
first    |-----^ stands still        ^ wakes up: too late
second            takes over at E ...|-->
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from streams.cdc.folded import FoldedTopic, RecordsLostError
from streams.domain.change import Scope
from streams.domain.profile import Profile
from streams.domain.tally import TallyKey
from streams.errors import PreconditionError
from streams.fold.checkpoint import Checkpoints
from streams.fold.checkpointing import Checkpointing
from streams.fold.partials import Flushed, Partials, PartitionFlush, Takeover
from streams.fold.processor import Processor
from streams.store.database import Pool
from streams.store.epoch import Epoch, begin_epoch
from tests.fakes.envelopes import ROW, FakeRecord, envelope
from tests.integration.closing.conftest import PARTITIONS, PLAN, SALES, START, stage_id
from tests.machine.topic import MemoryTopic, Reader

NO_JSON = b"\x00 no JSON"


def entered(deal: int, stage: int, offset: int, *, row: int = 0) -> FakeRecord:
    """Return the event of a row that says: this deal entered this stage, `stage` seconds after START."""
    after = ROW | {
        "id": str(UUID(int=100 * deal + (row or stage) + 1)),
        "deal_id": str(UUID(int=deal + 1)),
        "tenant_id": SALES.tenant_id,
        "pipeline_id": SALES.pipeline_id,
        "pipeline_stage_id": stage_id(SALES, stage),
        "entered_at": (START + timedelta(seconds=stage)).isoformat().replace("+00:00", ".000000Z"),
    }
    key = f"{after['deal_id']}/{after['id']}".encode()
    return FakeRecord(envelope("c", after=after, lsn=1000 + offset), offset, key)


class Log(MemoryTopic):
    """The topic, as it is now."""

    def enter(self, deal: int, stage: int, partition: int = 0, *, row: int = 0) -> None:
        self.records[partition].append(entered(deal, stage, self.end(partition), row=row))


class HeardPartials(Partials):
    """Partials that know for which partitions something was to be told, accepted or not."""

    def __init__(self, pool: Pool, epoch: Epoch, worker: str) -> None:
        super().__init__(pool, epoch, worker)
        self.heard: set[int] = set()

    async def flush(self, flushes: Sequence[PartitionFlush]) -> Flushed:
        self.heard |= {flush.partition for flush in flushes}
        return await super().flush(flushes)


@dataclass
class Worker(Reader):
    """A worker, and what it has to tell."""

    partials: HeardPartials


@dataclass
class Office:
    """Where workers come and go; they share a log, a Postgres and a folder."""

    pool: Pool
    folder: Path
    log: Log = field(default_factory=lambda: Log(PARTITIONS))
    epoch: Epoch = field(default_factory=lambda: Epoch("data", "topic", PARTITIONS, PLAN))

    async def hire(self, name: str) -> Worker:
        partials = HeardPartials(self.pool, self.epoch, name)
        await begin_epoch(self.pool, self.epoch)
        checkpointing = Checkpointing(Checkpoints(self.folder, self.epoch.id), 300.0)
        folded = cast("FoldedTopic", self.log)
        processor = Processor(folded, partials, checkpointing, PLAN, 0.2)
        return Worker(processor, self.log, partials)

    async def told(self, partition: int = 0) -> dict[TallyKey, Profile]:
        """Return what Postgres holds of a partition, without zeros."""
        known = await Partials(self.pool, self.epoch, "reader").read(partition)
        return {key: count for key, count in known.items() if count}

    async def entries(self, stage: int = 0, scope: Scope = SALES) -> int:
        """Return how many deals entered a stage, as far as Postgres knows."""
        told = await self.told()
        stages = (stage_id(scope, stage), stage_id(scope, stage))
        return sum(count for key, count in told.items() if (key.from_stage, key.to_stage) == stages)


@pytest.fixture
def office(pool: Pool, tmp_path: Path) -> Office:
    return Office(pool, tmp_path)


async def test_nothing_is_told_of_a_partition_before_its_replay_has_passed_the_end_it_had_at_the_takeover(
    office: Office,
) -> None:
    for offset in range(4):
        office.log.enter(offset, 0)
    office.log.enter(9, 0, partition=1)
    worker = await office.hire("worker")
    assert await worker.take_over() == {0: 0, 1: 0}
    worker.read(until=3)
    assert await worker.processor.flush() == {}
    worker.read(partition=1)
    assert await worker.processor.flush() == {1: 1}
    assert worker.partials.heard == {1}
    assert (await office.told(0), len(await office.told(1))) == ({}, 1)
    worker.read(until=4)
    assert await worker.processor.flush() == {0: 4, 1: 1}
    assert await office.entries() == 4


async def test_what_was_read_before_a_rebalance_waits_for_the_new_end_too(office: Office) -> None:
    """The worker keeps a partition; meanwhile another may have had it, and have told Postgres more."""
    office.log.enter(0, 0)
    worker = await office.hire("worker")
    await worker.take_over()
    worker.read()
    assert await worker.processor.flush() == {0: 1, 1: 0}
    office.log.enter(1, 0)
    office.log.enter(2, 0)
    assert await worker.take_over() == {0: 1, 1: 0}
    worker.partials.heard.clear()
    worker.read(until=2)
    assert await worker.processor.flush() == {1: 0}
    assert worker.partials.heard == {1}
    worker.read()
    assert await worker.processor.flush() == {0: 3, 1: 0}


async def test_a_flush_that_comes_after_another_worker_took_over_is_refused_and_changes_nothing(
    office: Office, pool: Pool
) -> None:
    everything = "select * from funnelproof.partial order by 1, 2, 3, 4, 5, 6, 7, 8"
    office.log.enter(0, 0)
    zombie, successor = await office.hire("zombie"), await office.hire("successor")
    await zombie.take_over()
    zombie.read()
    await zombie.processor.flush()
    office.log.enter(0, 1)
    zombie.read()
    office.log.enter(1, 0)
    await successor.take_over(0)
    successor.read()
    assert await successor.processor.flush() == {0: 3}
    partials, progress = (
        await pool.fetch(everything),
        await pool.fetch("table funnelproof.partition_progress"),
    )
    assert 0 not in await zombie.processor.flush()
    assert await pool.fetch(everything) == partials
    assert [
        row for row in await pool.fetch("table funnelproof.partition_progress") if row["partition"] == 0
    ] == [row for row in progress if row["partition"] == 0]


async def test_what_a_refused_flush_had_to_say_is_said_once_its_worker_has_read_up_to_the_claim(
    office: Office, pool: Pool
) -> None:
    """Counts, dead letters and causes: whoever claimed the partition died before it told anything."""
    letters = "select source_offset, resolved_at is null from funnelproof.dead_letter"
    office.log.enter(0, 0)
    worker, short_lived = await office.hire("worker"), await office.hire("short-lived")
    await worker.take_over()
    office.log.records[0].append(FakeRecord(NO_JSON, 1, b"bad"))
    office.log.enter(1, 1)
    worker.read(until=3)
    office.log.enter(2, 2)
    await short_lived.take_over(0)
    assert await worker.processor.flush() == {1: 0}
    assert (await office.told(), await pool.fetch(letters)) == ({}, [])
    worker.read()
    assert await worker.processor.flush() == {0: 4, 1: 0}
    assert [await office.entries(stage) for stage in range(3)] == [1, 1, 1]
    assert [tuple(row) for row in await pool.fetch(letters)] == [(1, True)]
    notes = await pool.fetch("select causes from funnelproof.change_note")
    assert [row["causes"] for row in notes] == [["late_insert"]] * len(notes)


class Interrupted(HeardPartials):
    """Partials of a takeover in which another worker acts at a moment."""

    moment = ""
    other: Callable[[], Awaitable[object]]

    async def claim(self, partition: int, end: int) -> Takeover:
        await self._at("before the claim", partition)
        takeover = await super().claim(partition, end)
        await self._at("after the claim", partition)
        return takeover

    async def read(self, partition: int) -> dict[TallyKey, Profile]:
        known = await super().read(partition)
        await self._at("after the read", partition)
        return known

    async def _at(self, moment: str, partition: int) -> None:
        if (moment, partition) == (self.moment, 0):
            await self.other()


@pytest.mark.parametrize("moment", ["before the claim", "after the claim", "after the read"])
async def test_whatever_a_zombie_flushes_during_a_takeover_the_log_up_to_its_end_is_told(
    office: Office, moment: str
) -> None:
    """It still has a deal in the first stage, which has left it since."""
    zombie, successor = await office.hire("zombie"), await office.hire("successor")
    await zombie.take_over()
    office.log.enter(0, 0, row=5)
    zombie.read()
    office.log.enter(0, 1, row=5)
    partials = Interrupted(office.pool, office.epoch, "successor")
    partials.moment, partials.other = moment, zombie.processor.flush
    successor.processor._partials = partials
    await successor.take_over(0)
    successor.read()
    assert await successor.processor.flush() == {0: 2}
    assert [await office.entries(stage) for stage in range(2)] == [0, 1]


async def test_two_workers_that_both_believe_they_hold_a_partition_end_in_the_same_counts(
    office: Office,
) -> None:
    first, second = await office.hire("first"), await office.hire("second")
    await first.take_over()
    await second.take_over()
    for number in range(12):
        office.log.enter(number, number % 3)
        (first if number % 2 else second).read()
        await (first if number % 3 else second).processor.flush()
    for worker in (first, second, first, second):
        worker.read()
        await worker.processor.flush()
        await worker.processor.flush()  # the first may have found Postgres elsewhere
    assert await office.told() == first.processor.owned[0].state.profiles()
    assert [await office.entries(stage) for stage in range(3)] == [4, 4, 4]


async def test_a_postgres_that_goes_back_under_a_running_worker_is_made_right_by_its_next_flush(
    office: Office, pool: Pool
) -> None:
    worker = await office.hire("worker")
    await worker.take_over()
    for stage in range(2):
        office.log.enter(0, stage)
        worker.read()
        await worker.processor.flush()
    await pool.execute(
        "update funnelproof.partition_progress set source_offset = 1, flushes = 1 where partition = 0"
    )
    await pool.execute("delete from funnelproof.partial where from_stage_id <> to_stage_id")
    await pool.execute("delete from funnelproof.time_window")
    office.log.enter(1, 0)
    worker.read()
    assert 0 not in await worker.processor.flush()
    assert (await worker.processor.flush())[0] == 3
    assert await office.told() == worker.processor.owned[0].state.profiles()
    assert len(await office.told()) == 3
    assert await pool.fetchval("select count(*) from funnelproof.time_window") > 0


async def left_behind(office: Office) -> None:
    """Let a worker read everything, tell it, and leave checkpoints behind."""
    worker = await office.hire("former")
    await worker.take_over()
    worker.read()
    await worker.processor.flush()
    await worker.processor.on_revoked(stopping=True)


async def test_a_checkpoint_ahead_of_a_restored_postgres_makes_it_right(office: Office, pool: Pool) -> None:
    for number in range(3):
        office.log.enter(number, 0)
        office.log.enter(number, 1)
    await left_behind(office)
    right = await office.told()
    # An older Postgres: it knew less, one count was another, and one is not there any more.
    await pool.execute(
        "update funnelproof.partition_progress set source_offset = 2, flushes = 1 where partition = 0"
    )
    await pool.execute(
        "update funnelproof.partial set deals = 1, profile = 1 where from_stage_id = to_stage_id"
    )
    await pool.execute("delete from funnelproof.partial where from_stage_id <> to_stage_id")
    await pool.execute(
        "insert into funnelproof.partial select epoch, partition, tenant_id, pipeline_id, window_name, "
        "window_start, window_end, gen_random_uuid(), gen_random_uuid(), 5, flush, 5 from funnelproof.partial limit 1"
    )
    assert await office.told() != right
    worker = await office.hire("worker")
    assert await worker.take_over() == {0: 6, 1: 0}
    assert await worker.processor.flush() == {0: 6, 1: 0}
    assert await office.told() == right


async def test_a_checkpoint_behind_postgres_takes_nothing_back(office: Office, pool: Pool) -> None:
    office.log.enter(0, 0)
    office.log.enter(1, 0)
    await left_behind(office)
    old = {path: path.read_bytes() for path in office.folder.iterdir()}
    office.log.enter(2, 0)
    office.log.enter(3, 0)
    await left_behind(office)
    for path, content in old.items():
        path.write_bytes(content)
    notes = await pool.fetchval("select count(*) from funnelproof.change_note")
    worker = await office.hire("worker")
    assert await worker.take_over() == {0: 2, 1: 0}
    worker.read(until=3)
    assert await worker.processor.flush() == {1: 0}
    assert worker.partials.heard == {1}
    assert await office.entries() == 4
    worker.read()
    assert await worker.processor.flush() == {0: 4, 1: 0}
    assert await office.entries() == 4
    assert await pool.fetchval("select count(*) from funnelproof.change_note") == notes > 0


async def test_a_worker_that_stops_with_a_refused_flush_leaves_no_checkpoint_of_that_partition(
    office: Office,
) -> None:
    """A replay from there on would not meet again what that flush had to say besides counts."""
    zombie, successor = await office.hire("zombie"), await office.hire("successor")
    await zombie.take_over()
    office.log.records[0].append(FakeRecord(NO_JSON, 0, b"bad"))
    zombie.read()
    office.log.enter(0, 0)
    await successor.take_over(0)
    await zombie.processor.on_revoked(stopping=True)
    assert [path.name for path in office.folder.iterdir()] == ["partition-1.checkpoint"]


async def test_a_checkpoint_from_beyond_the_logs_end_is_not_used(office: Office, pool: Pool) -> None:
    """Postgres was restored, too, and has not counted beyond the end."""
    office.log.enter(0, 0)
    office.log.enter(1, 0)
    await left_behind(office)
    office.log.records[0].pop()
    await pool.execute("update funnelproof.partition_progress set source_offset = 1 where partition = 0")
    worker = await office.hire("worker")
    assert await worker.take_over() == {0: 0, 1: 0}


async def test_a_log_that_lost_records_which_are_counted_is_not_counted_anew_without_them(
    office: Office,
) -> None:
    office.log.enter(0, 0)
    office.log.enter(1, 0)
    await left_behind(office)
    office.log.records[0].pop()
    worker = await office.hire("worker")
    with pytest.raises(RecordsLostError, match="ends at 1, before the 2 already read"):
        await worker.take_over()


async def test_a_partition_without_its_first_records_is_taken_over_with_a_checkpoint_beyond_them_only(
    office: Office, pool: Pool
) -> None:
    """
    log         0 | 1 | 2 | 3
    deleted     -----
    checkpoint          |       of the first worker
    """
    for row in range(2):
        office.log.enter(row, 0)
    await left_behind(office)
    for row in range(2, 4):
        office.log.enter(row, 0)
    office.log.delete(0, 2)
    worker = await office.hire("worker")
    assert await worker.take_over() == {0: 2, 1: 0}
    worker.read()
    assert await worker.processor.flush() == {0: 4, 1: 0}
    assert await office.entries() == 4
    progress = await pool.fetch("select * from funnelproof.partition_progress order by partition")
    for path in office.folder.iterdir():
        path.unlink()
    successor = await office.hire("on another machine")
    with pytest.raises(RecordsLostError, match="partition 0 of data begins at 2"):
        await successor.take_over()
    after = await pool.fetch("select * from funnelproof.partition_progress order by partition")
    assert (after, await office.entries()) == (progress, 4)
    assert await worker.take_over() == {0: 4, 1: 0}  # its own state is beyond them, too


async def test_a_worker_that_is_ahead_of_a_log_that_lost_its_end_does_not_go_on(office: Office) -> None:
    """Kafka may elect a leader that lacks the last records: offsets are then given again, to other records."""
    worker = await office.hire("worker")
    await worker.take_over()
    office.log.enter(0, 0)
    office.log.enter(1, 0)
    worker.read()
    office.log.records[0].pop()
    with pytest.raises(PreconditionError, match="ends at 1, before the 2 already read"):
        await worker.take_over()


async def test_a_worker_of_another_epoch_is_shut_out_with_all_it_had_to_say(office: Office) -> None:
    office.log.enter(0, 0)
    worker = await office.hire("worker")
    await worker.take_over()
    worker.read()
    await Office(office.pool, office.folder, epoch=Epoch("data", "anew", PARTITIONS, PLAN)).hire("next")
    with pytest.raises(PreconditionError, match="same settings"):
        await worker.processor.flush()
    assert await office.told() == {}
