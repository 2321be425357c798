"""A report database with an epoch begun, and states that are flushed into it without Kafka between."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from streams.domain.change import Scope
from streams.domain.pairs import Stage
from streams.domain.partition import Delta, PartitionState
from streams.domain.plan import WindowPlan, plan_for
from streams.domain.proof import Marker, Proof
from streams.domain.windows import Window, from_microseconds, to_microseconds
from streams.fold.partials import Flushed, Partials, PartitionFlush
from streams.publish.closing import Closing, Published
from streams.publish.historic import HistoricClosing
from streams.store.database import Connection, Pool
from streams.store.epoch import Epoch, begin_epoch
from streams.store.installation import register_installation
from tests.fakes.changes import Changes, StageEntry
from tests.machine import calendar

PLAN = plan_for(("1m",), "UTC")
KINDS = PLAN.kinds_of("")
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
TENANT = "aaaaaaaa-0000-4000-8000-00000000000a"
SALES = Scope(TENANT, "bbbbbbbb-0000-4000-8000-00000000000b")
IDLE = Scope(TENANT, "bbbbbbbb-0000-4000-8000-0000000000ff")
STAGES = range(3)
PARTITIONS = 2
stage_id = calendar.stage_id


def entry(stage: int, second: float, scope: Scope = SALES) -> StageEntry:
    """An entry into a stage, `second` seconds after START."""
    return StageEntry(scope, stage_id(scope, stage), to_microseconds(START + timedelta(seconds=second)))


@dataclass
class Desk:
    """One worker's hands: apply, flush, close."""

    pool: Pool
    epoch: Epoch
    partials: Partials
    closing: Closing
    historic: HistoricClosing
    changes: Changes = field(default_factory=Changes)
    states: list[PartitionState] = field(default_factory=list)
    after: dict[int, int] = field(default_factory=dict)
    lsn: int = 1000

    def __post_init__(self) -> None:
        self.states = [PartitionState(self.epoch.plan, self.changes.vocabulary) for _ in range(PARTITIONS)]

    def write(
        self, row: str, new: StageEntry | None, *, deal: str = "deal", partition: int = 0, late: bool = True
    ) -> None:
        """Apply a change to a partition, committed after every window's end, or before."""
        self.lsn += 1
        committed = to_microseconds(START + timedelta(days=1)) if late else to_microseconds(START)
        state = self.states[partition]
        state.apply(self.changes.make(deal, row, new, self.lsn, committed))
        state.position += 1

    async def flush(self, *partitions: int) -> Flushed:
        """Flush these partitions, or all."""
        chosen = partitions or range(PARTITIONS)
        flushes = [
            PartitionFlush(
                p, self.states[p].position, self.after[p], self.states[p].drain(self.partials.sealed)
            )
            for p in chosen
        ]
        flushed = await self.partials.flush(flushes)
        self.after.update(flushed.accepted)
        for flush in flushes:
            if flush.partition not in flushed.accepted:
                self.states[flush.partition].give_back(flush.delta)
        return flushed

    async def meet_snapshot(self, position: int, partition: int = 0) -> None:
        """Flush the news of a snapshot's row, which was taken at that position."""
        state = self.states[partition]
        met = PartitionFlush(
            partition, state.position, self.after[partition], Delta({}, {}), snapshots={position}
        )
        self.after.update((await self.partials.flush([met])).accepted)

    async def take_over(self, partition: int, end: int) -> None:
        """Claim a partition and let whatever Postgres has otherwise be written next."""
        self.after[partition] = (await self.partials.claim(partition, end)).flushes
        self.states[partition].mark_differences(await self.partials.read(partition))

    def proof(
        self, second: float, *doubts: str, scopes: tuple[Scope, ...] = (SALES,), stages: int = len(STAGES)
    ) -> Proof:
        """Everything up to so many seconds after START, proven."""
        found = [
            Stage(scope, stage, stage_id(scope, stage), f"stage {stage}")
            for scope in scopes
            for stage in range(stages)
        ]
        self.lsn += 1
        marker = Marker(1, self.lsn, "1:1:", "7", 1, found)
        return Proof(marker, START + timedelta(seconds=second), {}, doubts, [], 0.1, 0.1)

    async def close(self, second: float, *doubts: str, scopes: tuple[Scope, ...] = (SALES,)) -> Published:
        """Close what is due so many seconds after START, and revise what was touched."""
        return await self.closing.publish(self.proof(second, *doubts, scopes=scopes), await self.due(second))

    async def due(self, second: float) -> list[Window]:
        """Return the windows that are due so many seconds after START."""
        return await self.closing.due(to_microseconds(START + timedelta(seconds=second)))

    async def facts(self, window: Window | None = None, scope: Scope = SALES) -> list[tuple[int, int, int]]:
        """Return (revision, entered, converted) of the first pair's latest run."""
        window = window or KINDS[0].window_at(to_microseconds(START))
        rows = await self.pool.fetch(
            """
            select revision, entered_count, converted_count from dyno_crm.stage_conversion_current
            where pipeline_id = $1::text::uuid and window_start = $2 order by from_stage_id
            """,
            scope.pipeline_id,
            from_microseconds(window.start),
        )
        return [tuple(row) for row in rows]


def desk_with(pool: Pool, topic_id: str = "topic", plan: WindowPlan = PLAN) -> Desk:
    """A worker that has taken nothing over yet, and can close."""
    epoch = Epoch("data", topic_id, PARTITIONS, plan)
    closing = Closing(pool, epoch, timedelta(0), "worker")
    return Desk(pool, epoch, Partials(pool, epoch, "worker"), closing, HistoricClosing(pool, epoch))


async def desk_of(pool: Pool, topic_id: str = "topic", plan: WindowPlan = PLAN) -> Desk:
    """Take every partition over at the log's beginning."""
    desk = desk_with(pool, topic_id, plan)
    await begin_epoch(pool, desk.epoch)
    for partition in range(PARTITIONS):
        await desk.take_over(partition, 0)
    return desk


async def write_to_crm(
    connection: Connection, deal: UUID, row: UUID, new: tuple[Scope, int, float] | None
) -> None:
    if new is None:
        await connection.execute("delete from dyno_crm.deal_pipeline_stage_state where id = $1", row)
        return
    scope, stage, second = new
    await connection.execute(
        """
        insert into dyno_crm.deal_pipeline_stage_state
            (id, deal_id, tenant_id, pipeline_id, pipeline_stage_id, entered_at)
        values ($1, $2, $3::text::uuid, $4::text::uuid, $5::text::uuid, $6)
        on conflict (id) do update set tenant_id = excluded.tenant_id, pipeline_id = excluded.pipeline_id,
            pipeline_stage_id = excluded.pipeline_stage_id, entered_at = excluded.entered_at
        """,
        row,
        deal,
        scope.tenant_id,
        scope.pipeline_id,
        stage_id(scope, stage),
        START + timedelta(seconds=second),
    )


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(
        database, min_size=1, max_size=8, server_settings={"timezone": "UTC"}
    ) as pool:
        async with pool.acquire() as connection:
            await register_installation(connection, "funnelproof", START)
        yield pool


@pytest.fixture
async def desk(pool: Pool) -> Desk:
    return await desk_of(pool)
