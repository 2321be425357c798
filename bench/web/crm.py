"""The CRM of the measures: pipelines whose deals walk through their stages, move in time and are deleted."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bench.errors import BenchError
from bench.statements import statement
from streams.store.database import OwnConnection

_STAGES = 4
_MOMENT = timedelta(microseconds=1)
_PATIENCE = 60.0
_KEPT = 400
"""The most deals that still walk."""


@dataclass(frozen=True)
class Funnel:
    """A pipeline of a tenant, with its stages in their order."""

    tenant: UUID
    pipeline: UUID
    stages: tuple[UUID, ...]


@dataclass
class Walk:
    """Deals of funnels. `walking`: each deal that may go on, with its funnel, stage and last entry."""

    connection: OwnConnection
    funnels: Sequence[Funnel]
    draw: random.Random = field(default_factory=lambda: random.Random(11))
    walking: list[tuple[UUID, Funnel, int, UUID]] = field(default_factory=list)

    async def change(self, entries: int, *, corrects: bool) -> None:
        """Commit entries of new and of known deals in three transactions; `corrects`: move one, delete another."""
        for _ in range(3):
            await self._enter(max(1, entries // 3))
        if corrects and len(self.walking) > 1:
            await self.connection.execute(statement("entry_correct"), [self._take()[3]])
            await self.connection.execute(statement("web_delete"), [self._take()[3]])

    async def enter_each(self) -> None:
        """Commit the entry of a new deal into the first stage of every funnel, in one transaction."""
        await self._commit([(uuid4(), funnel, 0) for funnel in self.funnels])

    async def _enter(self, entries: int) -> None:
        steps = []
        for _ in range(entries):
            if self.walking and self.draw.random() < 0.6:
                deal, funnel, stage, _ = self._take()
                steps.append((deal, funnel, stage + 1))
            else:
                steps.append((uuid4(), self.draw.choice(self.funnels), 0))
        await self._commit(steps)

    async def _commit(self, steps: Sequence[tuple[UUID, Funnel, int]]) -> None:
        now = datetime.now(UTC)
        rows = [
            (uuid4(), funnel.tenant, deal, funnel.pipeline, funnel.stages[stage], now + number * _MOMENT)
            for number, (deal, funnel, stage) in enumerate(steps)
        ]
        self.walking += [
            (deal, funnel, stage, row[0])
            for row, (deal, funnel, stage) in zip(rows, steps, strict=True)
            if stage + 1 < len(funnel.stages)
        ]
        del self.walking[:-_KEPT]
        await self.connection.execute(statement("web_enter"), *map(list, zip(*rows, strict=True)))

    def _take(self) -> tuple[UUID, Funnel, int, UUID]:
        return self.walking.pop(self.draw.randrange(len(self.walking)))


async def new_funnels(connection: OwnConnection, number: int, stages: int = _STAGES) -> list[Funnel]:
    """Make pipelines of new tenants in the CRM, and wait until a proof has read the pipelines."""
    made = [Funnel(uuid4(), uuid4(), tuple(uuid4() for _ in range(stages))) for _ in range(number)]
    rows = [
        (stage, funnel.tenant, funnel.pipeline, f"Stage {order}", order)
        for funnel in made
        for order, stage in enumerate(funnel.stages)
    ]
    await connection.executemany(statement("stage_insert"), rows)
    until = time.monotonic() + _PATIENCE
    while await connection.fetchval(statement("web_known"), [each.pipeline for each in made]) < number:
        if time.monotonic() > until:
            raise BenchError(f"new pipelines were not known within {_PATIENCE:.0f} s")
        await asyncio.sleep(0.1)
    return made


async def enter(connection: OwnConnection, funnel: Funnel) -> None:
    """Commit the entry of a new deal into the first stage."""
    row = (uuid4(), funnel.tenant, uuid4(), funnel.pipeline, funnel.stages[0], datetime.now(UTC))
    await connection.execute(statement("web_enter"), *([value] for value in row))
