"""A small funnel in the CRM: three stages, two deals, and changes that people and integrations make to them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from streams.store.database import OwnConnection

ADD_STAGE = """
insert into dyno_crm.pipeline_stage (id, tenant_id, pipeline_id, name, display_order)
values ($1, $2, $3, $4, $5)
"""
ADD_ENTRY = """
insert into dyno_crm.deal_pipeline_stage_state (
    id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at
)
values ($1, $2, $3, $4, $5, $6)
"""

WORDS = {
    "rows": "dyno_crm.deal_pipeline_stage_state",
    "columns": "tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at, exited_at",
}


def _ids(*names: str) -> dict[str, UUID]:
    return {name: uuid4() for name in names}


@dataclass(frozen=True)
class Funnel:
    """Identifiers by the names that changes use: stages a, b, c; deals; and the entries of `enter_two_deals`.

    A second pipeline of the tenant (`other_pipeline`, stages x, y) is where deals can be moved to.
    """

    ids: Mapping[str, UUID] = field(
        default_factory=lambda: _ids(
            *("tenant", "pipeline", "a", "b", "c", "other_pipeline", "x", "y"),
            *("deal_1", "deal_2", "e1a", "e1b", "e2a", "e2b", "e2c"),
        )
    )

    @property
    def tenant(self) -> UUID:
        return self.ids["tenant"]

    @property
    def pipeline(self) -> UUID:
        return self.ids["pipeline"]

    async def create(self, connection: OwnConnection) -> None:
        """Make both pipelines, at once: a window that closes in between would have the pairs of half a pipeline."""
        await connection.executemany(
            ADD_STAGE,
            [
                (self.ids[stage], self.tenant, self.ids[pipeline], stage, order)
                for pipeline, stages in (("pipeline", "abc"), ("other_pipeline", "xy"))
                for order, stage in enumerate(stages)
            ],
        )

    async def enter(self, connection: OwnConnection, deal: UUID, stage: str, at: datetime) -> UUID:
        """Add one entry; return its id."""
        entry = uuid4()
        await connection.execute(ADD_ENTRY, entry, self.tenant, deal, self.pipeline, self.ids[stage], at)
        return entry

    async def enter_two_deals(self, connection: OwnConnection, at: datetime) -> None:
        """Deal 1 enters a, then b; deal 2 a, then b, then c; within 100 milliseconds from `at` on."""
        ids = self.ids
        for milliseconds, entry in ((40, "e1a"), (50, "e1b"), (60, "e2a"), (70, "e2b"), (80, "e2c")):
            moment = at + timedelta(milliseconds=milliseconds)
            row = ids[entry], self.tenant, ids[f"deal_{entry[1]}"], self.pipeline, ids[entry[2]], moment
            await connection.execute(ADD_ENTRY, *row)

    async def change(self, connection: OwnConnection, statements: str) -> None:
        """Run statements, each `:name` in them replaced by what it stands for, in one transaction."""
        words = {name: f"'{value}'::uuid" for name, value in self.ids.items()} | WORDS
        await connection.execute(re.sub(r":(\w+)", lambda name: words[name[1]], statements))


@dataclass(frozen=True)
class Change:
    """What is done to a funnel's rows, and the causes a revision names for it; none: no count changes."""

    statements: str
    causes: tuple[str, ...] = ()


CHANGES: dict[str, Change] = {
    "an insert": Change(
        "insert into :rows (id, :columns) select gen_random_uuid(), tenant_id, gen_random_uuid(), pipeline_id, "
        "pipeline_stage_id, entered_at, exited_at from :rows where id = :e1a",
        ("late_insert",),
    ),
    "an exit": Change("update :rows set exited_at = clock_timestamp() where id = :e1a"),
    "a backdate within the window": Change(
        "update :rows set entered_at = entered_at - interval '30 ms' where id = :e1b", ("backdate",)
    ),
    "a backdate to long ago": Change(
        "update :rows set entered_at = entered_at - interval '2 years' where id = :e1b", ("backdate",)
    ),
    "a move to another stage": Change(
        "update :rows set pipeline_stage_id = :c where id = :e1b", ("stage_moved",)
    ),
    "a merge of two deals": Change(
        "update :rows set deal_id = :deal_1 where deal_id = :deal_2", ("deal_merged",)
    ),
    "a move to another pipeline": Change(
        "update :rows set pipeline_id = :other_pipeline, pipeline_stage_id = "
        "case pipeline_stage_id when :a then :x else :y end where deal_id = :deal_1",
        ("tenant_or_pipeline_moved",),
    ),
    "a move to another tenant": Change(
        "update :rows set tenant_id = gen_random_uuid() where deal_id = :deal_1",
        ("tenant_or_pipeline_moved",),
    ),
    "a new primary key": Change("update :rows set id = gen_random_uuid() where id = :e1a"),
    "a delete": Change("delete from :rows where id = :e2b", ("delete",)),
    "many changes of one row in one transaction": Change(
        "update :rows set pipeline_stage_id = :c where id = :e1b; delete from :rows where id = :e1b; "
        "insert into :rows (id, :columns) select :e1b, :columns from :rows where id = :e1a; "
        "update :rows set pipeline_stage_id = :c, entered_at = entered_at + interval '5 ms' where id = :e1b",
        ("delete", "stage_moved"),
    ),
    "a change and its undoing": Change(
        "update :rows set pipeline_stage_id = :c where id = :e1b; "
        "update :rows set pipeline_stage_id = :b where id = :e1b",
    ),
    "a transaction that is rolled back": Change(
        "begin; delete from :rows where tenant_id = :tenant; rollback"
    ),
}
