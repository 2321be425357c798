"""A CRM that is never quiet: seeded writers that enter, correct, merge, delete, dawdle and roll back."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from streams.store.database import OwnConnection
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
WROTE = "select pg_current_xact_id_if_assigned()::text::bigint as xid, clock_timestamp() as wrote_at"

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
class Transaction:
    """One that has ended: `wrote_at`, by the source's clock, it had written; none had where no row was there to write.

    `rows` are those that each kind of statement wrote.
    """

    committed: bool = False
    xid: int | None = None
    wrote_at: datetime | None = None
    seconds: float = 0.0
    rows: Counter[str] = field(default_factory=Counter)


@dataclass
class Written:
    """What became of the transactions; `lost` were under way when Postgres went away."""

    transactions: list[Transaction] = field(default_factory=list)
    lost: int = 0
    statements: Counter[str] = field(default_factory=Counter)

    @property
    def committed(self) -> int:
        return sum(each.committed for each in self.transactions)

    @property
    def rolled_back(self) -> int:
        return len(self.transactions) - self.committed


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
        self._kinds: Mapping[str, tuple[Callable[[], Statement], int]] = {
            "enter": (self._enter, 48),
            "exit": (self._exit, 12),
            "move_stage": (self._move_stage, 8),
            "backdate": (self._backdate, 8),
            "merge": (self._merge, 2),
            "move_deal": (self._move_deal, 4),
            "move_pipeline": (self._move_pipeline, 3),
            "new_key": (self._new_key, 3),
            "delete": (self._delete, 7),
            "enter_again": (self._enter_again, 5),
        }

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
        done, began = Transaction(), time.monotonic()
        transaction = connection.transaction()
        await transaction.start()
        try:
            for _ in range(chance.randint(*self._habit.statements)):
                await self._execute(connection, done, written)
            await asyncio.sleep(chance.uniform(*self._habit.stays_open))
            done.committed = chance.random() > 0.14
        except asyncpg.TransactionRollbackError:  # two merges in each other's way
            pass
        if done.committed:
            await transaction.commit()
        else:
            await transaction.rollback()
            del self._entries[entries:], self._deleted[deleted:]
        del self._entries[:-REMEMBERED], self._deleted[:-REMEMBERED]
        done.seconds = time.monotonic() - began
        written.transactions.append(done)

    async def _execute(self, connection: OwnConnection, done: Transaction, written: Written) -> None:
        kind = self._kind()
        written.statements[kind] += 1
        statement, arguments = self._kinds[kind][0]()
        tag = await connection.execute(statement, *arguments)
        done.rows[kind] += int(tag.rpartition(" ")[2])
        if done.xid is None:
            wrote = await connection.fetchrow(WROTE)
            assert wrote is not None
            if wrote["xid"] is not None:
                done.xid, done.wrote_at = wrote

    def _kind(self) -> str:
        if len(self._entries) <= 20:
            return "enter"
        return self._chance.choices(list(self._kinds), [weight for _, weight in self._kinds.values()])[0]

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
    """The writers of one installation, and the funnels and the number of deals they write to."""

    def __init__(
        self,
        dsn: str,
        funnels: Sequence[Funnel],
        habits: Mapping[str, Habit] = HABITS,
        deals: int = 120,
    ) -> None:
        self.funnels = funnels
        self._deals = deals
        self._writers = {name: Writer(dsn, self.funnels, habit) for name, habit in habits.items()}

    @asynccontextmanager
    async def busy(self, seed: str) -> AsyncIterator[Written]:
        """Write for as long as the block lasts."""
        written = Written()
        chance = random.Random(seed)
        deals = [UUID(int=chance.getrandbits(128), version=4) for _ in range(self._deals)]
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
