"""The deals of the alerts under faults: a steady flow into four pipelines, whose conversion falls when told to."""

import asyncio
import heapq
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg

from streams.store.database import OwnConnection
from tests.chaos.crm import LOST_TOO
from tests.integration.stream.funnel import Funnel

TICK = 0.25
DEALS = 5
"""Deals that enter a pipeline in a tick of `make chaos`."""
USUAL, FALLEN = 0.6, 0.02
ENTER = """
insert into dyno_crm.deal_pipeline_stage_state (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
select gen_random_uuid(), told.tenant, told.deal, told.pipeline, told.stage,
    clock_timestamp() - make_interval(secs => $5)
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as told (tenant, deal, pipeline, stage)
"""
Row = tuple[UUID, UUID, UUID, UUID]


@dataclass
class Flow:
    """Deals that enter a, and convert to b within a second; `rate` of them. `deals` enter a pipeline in a tick."""

    dsn: str
    funnels: Sequence[Funnel]
    chance: random.Random
    deals: int = DEALS
    rate: float = USUAL
    ticks: int = 0
    _due: list[tuple[float, int, Row]] = field(default_factory=list)
    _number: int = 0

    async def write_past(self, connection: OwnConnection, seconds: float) -> None:
        """Write the rows that the flow would have written in so many seconds until now."""
        now = time.monotonic()
        async with connection.transaction():
            for tick in range(round(seconds / TICK), 0, -1):
                ago = tick * TICK
                await connection.execute(ENTER, *zip(*self._rows(now - ago), strict=True), ago)

    async def run(self) -> None:
        """Write until cancelled; a server that was killed is waited for."""
        while True:
            with suppress(OSError, asyncpg.PostgresError, *LOST_TOO):
                connection = await asyncpg.connect(self.dsn, command_timeout=10)
                try:
                    while True:
                        await self._tick(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.1)

    async def _tick(self, connection: OwnConnection) -> None:
        began = time.monotonic()
        await connection.execute(ENTER, *zip(*self._rows(began), strict=True), 0)
        self.ticks += 1
        await asyncio.sleep(max(0.0, TICK - (time.monotonic() - began)))

    def _rows(self, at: float) -> list[Row]:
        """Return the rows of a tick: conversions that are due, and new deals."""
        rows: list[Row] = []
        while self._due and self._due[0][0] <= at:
            rows.append(heapq.heappop(self._due)[2])
        for funnel in self.funnels:
            for _ in range(self.deals):
                deal = uuid4()
                rows.append((funnel.tenant, deal, funnel.pipeline, funnel.ids["a"]))
                if self.chance.random() < self.rate:
                    self._number += 1
                    row = (funnel.tenant, deal, funnel.pipeline, funnel.ids["b"])
                    heapq.heappush(self._due, (at + self.chance.uniform(0.1, 1), self._number, row))
        return rows
