"""Each change of a real source after which events may be lost shows in the fingerprint, and no other change does."""

from uuid import uuid4

import pytest

from streams.domain.capture import TABLE, capture_faults, changes, table_faults
from streams.domain.fingerprint import Fingerprint
from streams.store.database import OwnConnection as Connection
from tests.integration.capture.source import begin, look, run

PUBLICATION = "alter publication funnelproof"
TRIGGER = "trigger funnelproof_delete_before_truncate"
WIPE = "dyno_crm.funnelproof_delete_before_truncate"
ALL = "publish = 'insert, update, delete'"
AT = "entered_at timestamptz) partition by hash (id)"
PARTITIONED = (
    f"drop table {TABLE}",
    f"create table {TABLE} (id uuid, tenant_id uuid, deal_id uuid, pipeline_id uuid, pipeline_stage_id uuid, {AT}",
    f"create table dyno_crm.part_0 partition of {TABLE} for values with (modulus 3, remainder 0)",
    f"create table dyno_crm.part_1 partition of {TABLE} for values with (modulus 3, remainder 1)",
    "alter table dyno_crm.part_0 replica identity full",
    "alter table dyno_crm.part_1 replica identity full",
)
PART_2 = f"create table dyno_crm.part_2 partition of {TABLE} for values with (modulus 3, remainder 2)"
FULL_2 = "alter table dyno_crm.part_2 replica identity full"
HEIR = (
    f"create table dyno_crm.archive () inherits ({TABLE})",
    "alter table dyno_crm.archive replica identity full",
)
IS_OPEN = f"alter table {TABLE} add column is_open boolean generated always as (exited_at is null)"


def found(before: Fingerprint, now: Fingerprint) -> set[str]:
    return {fault.kind for fault in [*capture_faults(now), *changes(before, now)]}


HARMLESS = {
    "nothing": ["select 1"],
    "a vacuum": [f"vacuum {TABLE}"],
    "statistics": [f"analyze {TABLE}"],
    "a truncate": [f"truncate {TABLE}"],
    "a truncate by a role that may do nothing else": [
        "create role {role}",
        "grant usage on schema dyno_crm to {role}",
        f"grant truncate on {TABLE} to {{role}}",
        "set role {role}",
        f"truncate {TABLE}",
        "reset role",
    ],
    "a truncate of a session that replicates": [
        "set session_replication_role = replica",
        f"truncate {TABLE}",
        "reset session_replication_role",
    ],
    "vacuum full, then a truncate": [f"vacuum full {TABLE}", f"truncate {TABLE}"],
    "an index": [f"create index on {TABLE} (deal_id)"],
    "an index, concurrently": [f"create index concurrently on {TABLE} (deal_id)"],
    "a column more": [f"alter table {TABLE} add column note text default 'x'"],
    "a column less": [f"alter table {TABLE} drop column exited_at"],
    "another column's name": [f"alter table {TABLE} rename column exited_at to left_at"],
    "a grant, twice": ["create role {role}", *2 * [f"grant select on {TABLE} to {{role}}"]],
    "a check": [f"alter table {TABLE} add check (exited_at >= entered_at)"],
    "a trigger of the CRM's": [
        "create function f() returns trigger language plpgsql as 'begin return new; end'",
        f"create trigger t before insert on {TABLE} for each row execute function f()",
    ],
    "another publication": [f"create publication other for table {TABLE} where (id is null)"],
    "a comment": [f"comment on table {TABLE} is 'stages'"],
    "a fill factor": [f"alter table {TABLE} set (fillfactor = 50)"],
    # The heir came and went between two markers: no SQL counted its rows.
    "an heir, disowned": [*HEIR, f"alter table dyno_crm.archive no inherit {TABLE}"],
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
async def test_a_change_that_loses_nothing_is_no_doubt(crm: Connection, change: list[str]) -> None:
    before = await begin(crm)
    role = f"role_{uuid4().hex}"
    await run(crm, *(statement.format(role=role) for statement in change))
    try:
        assert found(before, await look(crm)) == set()
    finally:
        if "create role" in change[0]:
            await run(
                crm, f"reassign owned by {role} to current_user", f"drop owned by {role}", f"drop role {role}"
            )


HARMFUL = {
    "another owner": ("table", f"alter table {TABLE} owner to pg_monitor"),
    "another owner, and another name for a while": (
        "table",
        f"alter table {TABLE} rename to other",
        "alter table dyno_crm.other rename to deal_pipeline_stage_state",
        f"alter table {TABLE} owner to pg_monitor",
    ),
    "the publication's other owner": ("publication", f"{PUBLICATION} owner to pg_monitor"),
    "truncates published too": (
        "publication",
        f"{PUBLICATION} set (publish = 'insert, update, delete, truncate')",
    ),
    "deletes left out for a while, then truncates published too": (
        "publication",
        f"{PUBLICATION} set (publish = 'insert, update')",
        f"{PUBLICATION} set (publish = 'insert, update, delete, truncate')",
    ),
    "vacuum full": ("rewrite", f"vacuum full {TABLE}"),
    "cluster": ("rewrite", f"cluster {TABLE} using deal_pipeline_stage_state_pkey"),
    "another type": ("columns", f"alter table {TABLE} alter column entered_at type timestamp"),
    "other values": (
        "rewrite",
        f"alter table {TABLE} alter column entered_at type timestamptz using entered_at + interval '1 h'",
    ),
    "truncate, vacuum full": ("rewrite", f"truncate {TABLE}", f"vacuum full {TABLE}"),
    "truncate, then again past the trigger": (
        "rewrite trigger",
        f"truncate {TABLE}",
        f"alter table {TABLE} disable trigger all",
        f"truncate {TABLE}",
        f"alter table {TABLE} enable trigger all",
    ),
    "truncate past the trigger": (
        "rewrite trigger",
        f"alter table {TABLE} disable trigger all",
        f"truncate {TABLE}",
    ),
    "a needed column renamed": ("columns", f"alter table {TABLE} rename column deal_id to deal"),
    "a needed column dropped": ("columns", f"alter table {TABLE} drop column deal_id"),
    "a needed column replaced": (
        "columns",
        f"alter table {TABLE} drop column entered_at",
        f"alter table {TABLE} add column entered_at timestamptz",
    ),
    "two columns' names exchanged": (
        "columns",
        f"alter table {TABLE} rename column tenant_id to t",
        f"alter table {TABLE} rename column deal_id to tenant_id",
        f"alter table {TABLE} rename column t to deal_id",
    ),
    "a virtual column": ("columns", f"{IS_OPEN} virtual"),
    "a stored column that is not published": ("publication rewrite", f"{IS_OPEN} stored"),
    "truncates that the trigger meets no more": (
        "rewrite trigger",
        f"truncate {TABLE}",
        f"alter table {TABLE} enable {TRIGGER}",
    ),
    "replica identity default": ("identity", f"alter table {TABLE} replica identity default"),
    "replica identity nothing": ("identity", f"alter table {TABLE} replica identity nothing"),
    "the table swapped": (
        "publication table trigger",
        f"create table dyno_crm.copy (like {TABLE} including all)",
        f"drop table {TABLE}",
        "alter table dyno_crm.copy rename to deal_pipeline_stage_state",
        f"alter table {TABLE} replica identity full",
    ),
    "the table dropped": ("table", f"drop table {TABLE}"),
    "renamed": ("table", f"alter table {TABLE} rename to elsewhere"),
    "renamed, put back": (
        "table",
        f"alter table {TABLE} rename to x",
        "alter table dyno_crm.x rename to deal_pipeline_stage_state",
    ),
    "moved, put back": (
        "table",
        f"alter table {TABLE} set schema public",
        "alter table public.deal_pipeline_stage_state set schema dyno_crm",
    ),
    "an heir": ("table", *HEIR),
    "partitioned": ("publication table trigger", *PARTITIONED),
    "the publication dropped": ("publication", "drop publication funnelproof"),
    "the publication made anew": (
        "publication",
        "drop publication funnelproof",
        f"create publication funnelproof for table {TABLE}",
    ),
    "the publication renamed": ("publication", f"{PUBLICATION} rename to x"),
    "the publication renamed, put back": (
        "publication",
        f"{PUBLICATION} rename to x",
        "alter publication x rename to funnelproof",
    ),
    "inserts only": ("publication", f"{PUBLICATION} set (publish = 'insert')"),
    "inserts only, put back": (
        "publication",
        f"{PUBLICATION} set (publish = 'insert')",
        f"{PUBLICATION} set ({ALL})",
    ),
    "out of the publication": ("publication", f"{PUBLICATION} drop table {TABLE}"),
    "out of the publication, put back": (
        "publication",
        f"{PUBLICATION} drop table {TABLE}",
        f"{PUBLICATION} add table {TABLE}",
    ),
    "a row filter": ("publication", f"{PUBLICATION} set table {TABLE} where (id is null)"),
    "a row filter, taken off": (
        "publication",
        f"{PUBLICATION} set table {TABLE} where (id is null)",
        f"{PUBLICATION} set table {TABLE}",
    ),
    "a column list": ("publication", f"{PUBLICATION} set table {TABLE} (id, deal_id)"),
    "another table published": ("publication", f"{PUBLICATION} add table dyno_crm.pipeline_stage"),
    "the trigger dropped": ("trigger", f"drop {TRIGGER} on {TABLE}"),
    "the trigger disabled": ("trigger", f"alter table {TABLE} disable {TRIGGER}"),
    "the trigger disabled, put back": (
        "trigger",
        f"alter table {TABLE} disable {TRIGGER}",
        f"alter table {TABLE} enable always {TRIGGER}",
    ),
    "the trigger's function replaced": (
        "trigger",
        f"create or replace function {WIPE}() returns trigger language plpgsql as 'begin return null; end'",
    ),
}


@pytest.mark.parametrize("change", HARMFUL.values(), ids=HARMFUL.keys())
async def test_a_change_that_may_lose_events_is_a_doubt_of_its_kind(
    crm: Connection, change: tuple[str, ...]
) -> None:
    before = await begin(crm)
    kinds, *statements = change
    await run(crm, *statements)
    assert found(before, await look(crm)) == set(kinds.split())


LEAVES = {
    "a new partition of another identity": ("identity", PART_2),
    "a new partition": ("", f"begin; {PART_2}; {FULL_2}; commit"),
    "a partition attached": (
        "table",
        f"create table dyno_crm.part_2 (like {TABLE} including all)",
        FULL_2,
        f"alter table {TABLE} attach partition dyno_crm.part_2 for values with (modulus 3, remainder 2)",
    ),
    "a partition detached": ("table", f"alter table {TABLE} detach partition dyno_crm.part_1"),
    "a partition dropped": ("table", "drop table dyno_crm.part_1"),
    "a partition rewritten": ("rewrite", "vacuum full dyno_crm.part_1"),
    "a partition truncated": ("rewrite", "truncate dyno_crm.part_1"),
    "all partitions truncated": ("", f"truncate {TABLE}"),
    "a partition of another identity": (
        "identity",
        "alter table dyno_crm.part_1 replica identity default",
    ),
    "a partition renamed": ("", "alter table dyno_crm.part_1 rename to part_one"),
    "published as partitions": ("publication", f"{PUBLICATION} set (publish_via_partition_root = false)"),
}


@pytest.mark.parametrize("change", LEAVES.values(), ids=LEAVES.keys())
async def test_a_partitioned_table_is_watched_leaf_by_leaf(crm: Connection, change: tuple[str, ...]) -> None:
    await run(crm, *PARTITIONED)
    before = await begin(crm)
    assert found(before, before) == set()
    kinds, *statements = change
    await run(crm, *statements)
    assert found(before, await look(crm)) == set(kinds.split())


async def test_roles_that_row_security_keeps_rows_from_are_named(crm: Connection) -> None:
    await begin(crm)
    role = f"reader_{uuid4().hex}"
    await crm.execute(f"create role {role}; alter table {TABLE} enable row level security")
    try:
        assert (await look(crm)).hidden_from == []
        (fault,) = capture_faults(await look(crm, role))
        assert fault.kind == "row_security"
        assert role in fault.reason
        await crm.execute(fault.mend)
        assert (await look(crm, role)).hidden_from == []
    finally:
        await crm.execute(f"drop role {role}")


async def test_every_statement_that_is_said_to_mend_a_fault_mends_the_fault(crm: Connection) -> None:
    for harm in (
        [f"alter table {TABLE} replica identity default"],
        [f"alter table {TABLE} set unlogged"],
        [f"{IS_OPEN} virtual"],
        [f"alter table {TABLE} alter column entered_at type timestamp"],
        HEIR,
    ):
        await run(crm, *harm)
        (fault,) = table_faults(await look(crm))
        await crm.execute(fault.mend.split(", or ")[0])
        assert table_faults(await look(crm)) == []


@pytest.mark.parametrize(
    "change",
    [
        f"{PUBLICATION} add table dyno_crm.pipeline_stage",
        f"{PUBLICATION} set table dyno_crm.pipeline_stage",
        f"{PUBLICATION} drop table {TABLE}",
        f"{PUBLICATION} set table {TABLE} where (id is null)",
        f"{PUBLICATION} set table {TABLE} (id, deal_id)",
        f"{PUBLICATION} set (publish = 'insert')",
        f"{IS_OPEN} stored",
        (
            f"alter table {TABLE} rename to former; create table {TABLE} (like dyno_crm.former including all); "
            f"alter table {TABLE} replica identity full"
        ),
    ],
)
async def test_the_statement_that_a_fault_of_the_publication_names_mends_the_fault(
    crm: Connection, change: str
) -> None:
    await begin(crm)
    await crm.execute(change)
    faults = [fault for fault in capture_faults(await look(crm)) if fault.kind == "publication"]
    assert faults
    for fault in faults:
        await crm.execute(fault.mend)
    assert capture_faults(await look(crm)) == []


async def test_a_publication_of_all_tables_is_to_be_dropped(crm: Connection) -> None:
    await begin(crm)
    await run(crm, "drop publication funnelproof", "create publication funnelproof for all tables")
    (fault,) = capture_faults(await look(crm))
    await crm.execute(fault.mend)
    assert [each.reason for each in capture_faults(await look(crm))] == ["the publication is missing"]
