"""A CRM that is never quiet: seeded writers that enter, correct, merge, delete, dawdle and roll back."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from streams.facts.database import OwnConnection
from tests.integration.stream.funnel import Funnel

ENTER = """
insert into dyno_crm.deal_pipeline_stage_state (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
values ($1, $2, $3, $4, $5, clock_timestamp() - $6 * interval '1 second')
on conflict (id) do nothing
"""
EXIT = "update dyno_crm.deal_pipeline_stage_state set exited_at = clock_timestamp() where id = $1"
MOVE_STAGE = "update dyno_crm.deal_pipeline_stage_state set pipeline_stage_id = $2 where id = $1"
BACKDATE = (
    "update dyno_crm.deal_pipeline_stage_state set entered_at = entered_at - $2 * interval '1 second' "
    "where id = $1"
)
MERGE = "update dyno_crm.deal_pipeline_stage_state set deal_id = $2 where deal_id = $1"
MOVE_DEAL = "update dyno_crm.deal_pipeline_stage_state set deal_id = $2 where id = $1"
MOVE_PIPELINE = (
    "update dyno_crm.deal_pipeline_stage_state set tenant_id = $2, pipeline_id = $3, pipeline_stage_id = $4 "
    "where id = $1"
)
NEW_KEY = "update dyno_crm.deal_pipeline_stage_state set id = $2 where id = $1"
DELETE = "delete from dyno_crm.deal_pipeline_stage_state where id = $1"

LOST = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)
LOST_TOO = (asyncpg.InterfaceError, asyncpg.InternalClientError)
REMEMBERED = 5000
"""Entries a writer may still correct: old ones make revisions of windows that closed long ago."""

Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True)
class Habit:
    """How a writer writes: statements a transaction, seconds that it stays open, seconds to the next."""

    statements: tuple[int, int]
    stays_open: tuple[float, float]
    pause: tuple[float, float]


HABITS = {
    "clerk": Habit((1, 2), (0, 0), (0.005, 0.02)),
    "importer": Habit((5, 30), (0, 0.2), (0.1, 0.4)),
    "dawdler": Habit((2, 6), (0.5, 3.5), (0.1, 0.6)),
}


@dataclass
class Written:
    """What became of the transactions; `lost` were under way when Postgres went away."""

    committed: int = 0
    rolled_back: int = 0
    lost: int = 0
    statements: Counter[str] = field(default_factory=Counter)


class Writer:
    """One session in the CRM. It remembers its entries, in this run and in later ones."""

    def __init__(self, dsn: str, funnels: Sequence[Funnel], habit: Habit) -> None:
        self._dsn = dsn
        self._funnels = funnels
        self._habit = habit
        self._entries: list[UUID] = []
        self._deleted: list[UUID] = []
        self._deals: list[UUID] = []
        self._chance = random.Random()
        self._kinds: Sequence[tuple[Callable[[], Statement], int]] = (
            (self._enter, 48),
            (self._exit, 12),
            (self._move_stage, 8),
            (self._backdate, 8),
            (self._merge, 2),
            (self._move_deal, 4),
            (self._move_pipeline, 3),
            (self._new_key, 3),
            (self._delete, 7),
            (self._enter_again, 5),
        )

    async def write(self, seed: str, deals: list[UUID], written: Written, stop: asyncio.Event) -> None:
        """Write until `stop`, through losses of the connection."""
        self._chance = random.Random(seed)
        self._deals = deals
        while not stop.is_set():
            try:
                connection = await asyncpg.connect(self._dsn, timeout=5)
            except (*LOST, *LOST_TOO):
                await asyncio.sleep(0.1)
                continue
            try:
                while not stop.is_set():
                    await self._transaction(connection, written)
                    await asyncio.sleep(self._chance.uniform(*self._habit.pause))
            except (*LOST, *LOST_TOO):
                written.lost += 1
            finally:
                connection.terminate()

    async def _transaction(self, connection: OwnConnection, written: Written) -> None:
        chance = self._chance
        entries, deleted = len(self._entries), len(self._deleted)
        transaction = connection.transaction()
        await transaction.start()
        try:
            for _ in range(chance.randint(*self._habit.statements)):
                statement, arguments = self._next(written)
                await connection.execute(statement, *arguments)
            await asyncio.sleep(chance.uniform(*self._habit.stays_open))
            keep = chance.random() > 0.12
        except asyncpg.TransactionRollbackError:  # two merges in each other's way
            keep = False
        if keep:
            await transaction.commit()
            written.committed += 1
        else:
            await transaction.rollback()
            written.rolled_back += 1
            del self._entries[entries:], self._deleted[deleted:]
        del self._entries[:-REMEMBERED], self._deleted[:-REMEMBERED]

    def _next(self, written: Written) -> Statement:
        kinds, weights = zip(*self._kinds, strict=True)
        kind = self._chance.choices(kinds, weights)[0] if len(self._entries) > 20 else self._enter
        written.statements[kind.__name__.strip("_")] += 1
        return kind()

    def _uuid(self) -> UUID:
        return UUID(int=self._chance.getrandbits(128), version=4)

    def _known(self) -> UUID:
        """Return an entry, mostly a recent one."""
        return self._chance.choice(self._entries[-100:] if self._chance.random() < 0.7 else self._entries)

    def _entered(self, entry: UUID) -> Statement:
        funnel = self._chance.choice(self._funnels)
        stage = funnel.ids[self._chance.choice("abc")]
        ago = self._chance.choices([0.0, self._chance.uniform(0, 30)], [9, 1])[0]
        return ENTER, (entry, funnel.tenant, self._chance.choice(self._deals), funnel.pipeline, stage, ago)

    def _enter(self) -> Statement:
        self._entries.append(self._uuid())
        return self._entered(self._entries[-1])

    def _enter_again(self) -> Statement:
        return self._entered(self._chance.choice(self._deleted)) if self._deleted else self._enter()

    def _exit(self) -> Statement:
        return EXIT, (self._known(),)

    def _move_stage(self) -> Statement:
        return MOVE_STAGE, (self._known(), self._chance.choice(self._funnels).ids[self._chance.choice("abc")])

    def _backdate(self) -> Statement:
        return BACKDATE, (self._known(), self._chance.choice([0.05, 1.0, 7.0, 60.0, 3600.0]))

    def _merge(self) -> Statement:
        return MERGE, (self._chance.choice(self._deals), self._chance.choice(self._deals))

    def _move_deal(self) -> Statement:
        return MOVE_DEAL, (self._known(), self._chance.choice(self._deals))

    def _move_pipeline(self) -> Statement:
        funnel = self._chance.choice(self._funnels)
        stage = funnel.ids[self._chance.choice("xy")]
        return MOVE_PIPELINE, (self._known(), funnel.tenant, funnel.ids["other_pipeline"], stage)

    def _new_key(self) -> Statement:
        self._entries.append(self._uuid())
        return NEW_KEY, (self._known(), self._entries[-1])

    def _delete(self) -> Statement:
        self._deleted.append(self._known())
        return DELETE, (self._deleted[-1],)


class Crm:
    """The writers of one installation, and the funnels they write to."""

    def __init__(self, dsn: str, funnels: Sequence[Funnel]) -> None:
        self.funnels = funnels
        self._writers = {name: Writer(dsn, self.funnels, habit) for name, habit in HABITS.items()}

    @asynccontextmanager
    async def busy(self, seed: str) -> AsyncIterator[Written]:
        """Write for as long as the block lasts."""
        written = Written()
        chance = random.Random(seed)
        deals = [UUID(int=chance.getrandbits(128), version=4) for _ in range(120)]
        stop = asyncio.Event()
        tasks = [
            asyncio.create_task(writer.write(f"{seed}/{name}", deals, written, stop))
            for name, writer in self._writers.items()
        ]
        try:
            yield written
        finally:
            stop.set()
            await asyncio.gather(*tasks)
