"""The writes of a CRM: seeded transactions that enter, correct, merge and delete, on the present rows.

A change of the source may keep the CRM from writing. Example: after `replica identity nothing`, Postgres refuses every
update of a published table. A refused statement is counted, and the CRM goes on.
"""

import random
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from streams.store.database import OwnConnection
from tests.integration.stream.funnel import Funnel

ROWS = "select id, deal_id, tenant_id, pipeline_id from dyno_crm.deal_pipeline_stage_state order by id"
ENTER = """
insert into dyno_crm.deal_pipeline_stage_state (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
values ($1, $2, $3, $4, $5, clock_timestamp() - $6::float8 * interval '1 second')
"""
MOVE_IN_TIME = (
    "update dyno_crm.deal_pipeline_stage_state "
    "set entered_at = entered_at + $2::float8 * interval '1 second' where id = $1"
)
MOVE_STAGE = "update dyno_crm.deal_pipeline_stage_state set pipeline_stage_id = $2 where id = $1"
MOVE_PIPELINE = """
update dyno_crm.deal_pipeline_stage_state set pipeline_id = $2, pipeline_stage_id = $3 where deal_id = $1
"""
MOVE_DEAL = "update dyno_crm.deal_pipeline_stage_state set deal_id = $2 where id = $1"
MERGE = "update dyno_crm.deal_pipeline_stage_state set deal_id = $2 where deal_id = $1"
NEW_KEY = "update dyno_crm.deal_pipeline_stage_state set id = $2 where id = $1"
EXIT = "update dyno_crm.deal_pipeline_stage_state set exited_at = clock_timestamp() where id = $1"
DELETE = "delete from dyno_crm.deal_pipeline_stage_state where id = $1"
DELETE_DEAL = "delete from dyno_crm.deal_pipeline_stage_state where deal_id = $1"
REFRESH = """
create temporary table refreshed as select * from dyno_crm.deal_pipeline_stage_state;
delete from dyno_crm.deal_pipeline_stage_state;
insert into dyno_crm.deal_pipeline_stage_state select * from refreshed;
drop table refreshed
"""

# A truncate is an action: `triggers.py` has the truncates.
KINDS = {
    "enter": 40,
    "enter twice": 20,
    "backdate": 10,
    "move later": 4,
    "move stage": 8,
    "move pipeline": 4,
    "move deal": 4,
    "merge": 5,
    "new key": 3,
    "exit": 6,
    "delete": 6,
    "delete deal": 3,
    "refresh": 1,
}
REVEALING = ("enter twice", "enter", "backdate", "move stage", "merge", "delete")
"""Each of these shows in a count if the log misses the write."""
ROLLED_BACK = 0.08
DEALS = 12


class Crm:
    """A CRM with one session. `chance` decides everything, so equal seeds write equal things to equal rows."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.funnel = Funnel({name: self.new_id() for name in sorted(Funnel().ids)})
        self.deals = [self.new_id() for _ in range(DEALS)]
        self.refused: Counter[str] = Counter()

    def reseed(self, seed: str) -> None:
        """Let other chances decide from now on."""
        self.chance.seed(seed)

    async def write(self, connection: OwnConnection, extra: int = 4) -> None:
        """Make every revealing kind of write, and `extra` others, in a random order."""
        kinds = [*REVEALING, *self.chance.choices(list(KINDS), list(KINDS.values()), k=extra)]
        self.chance.shuffle(kinds)
        while kinds:
            some = [kinds.pop() for _ in range(min(len(kinds), self.chance.randint(1, 3)))]
            try:
                await self._transaction(connection, some)
            except asyncpg.PostgresError as error:
                self.refused[f"{type(error).__name__}: {error}"] += 1

    async def _transaction(self, connection: OwnConnection, kinds: Sequence[str]) -> None:
        transaction = connection.transaction()
        await transaction.start()
        try:
            for kind in kinds:
                await self._statement(connection, kind)
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.rollback() if self.chance.random() < ROLLED_BACK else transaction.commit())

    async def _statement(self, connection: OwnConnection, kind: str) -> None:
        rows = await connection.fetch(ROWS)
        if kind in ("enter", "enter twice") or not rows:
            await self._enter(connection, twice=kind == "enter twice")
            return
        row = self.chance.choice(rows)
        statements: dict[str, tuple[object, ...]] = {
            "backdate": (MOVE_IN_TIME, row["id"], -self.chance.choice([0.3, 2.0, 6.0, 20.0, 90.0])),
            "move later": (MOVE_IN_TIME, row["id"], self.chance.choice([0.3, 2.0])),
            "move stage": (MOVE_STAGE, row["id"], self._stage("pipeline")),
            "move pipeline": (MOVE_PIPELINE, row["deal_id"], *self._other_pipeline()),
            "move deal": (MOVE_DEAL, row["id"], self.chance.choice(self.deals)),
            "merge": (MERGE, row["deal_id"], self.chance.choice(self.deals)),
            "new key": (NEW_KEY, row["id"], self.new_id()),
            "exit": (EXIT, row["id"]),
            "delete": (DELETE, row["id"]),
            "delete deal": (DELETE_DEAL, row["deal_id"]),
            "refresh": (REFRESH,),
        }
        statement, *arguments = statements[kind]
        await connection.execute(str(statement), *arguments)

    async def _enter(self, connection: OwnConnection, *, twice: bool) -> None:
        deal = self.chance.choice(self.deals)
        ago = self.chance.uniform(0.1, 2.5)
        stages = self.chance.sample("abc", 2 if twice else 1)
        for place, stage in enumerate(stages):
            ids = self.funnel.ids
            row = self.new_id(), ids["tenant"], deal, ids["pipeline"], ids[stage], ago - 0.05 * place
            await connection.execute(ENTER, *row)

    def _other_pipeline(self) -> tuple[UUID, UUID]:
        name = self.chance.choice(["pipeline", "other_pipeline"])
        return self.funnel.ids[name], self._stage(name)

    def _stage(self, pipeline: str) -> UUID:
        return self.funnel.ids[self.chance.choice("abc" if pipeline == "pipeline" else "xy")]

    def new_id(self) -> UUID:
        """Return a random identifier."""
        return UUID(int=self.chance.getrandbits(128), version=4)
