"""What `connector apply` makes in the CRM's database, on a real Postgres: publication and truncate trigger."""

import asyncpg
import pytest

from streams.cdc.source_objects import (
    FUNCTION,
    PUBLICATION,
    SLOT,
    TRIGGER,
    drop_object,
    make_objects,
    read_objects,
    require_own,
)
from streams.errors import PreconditionError
from streams.store.database import OwnConnection
from tests.integration.capture.conftest import acting_as
from tests.integration.partitioned import PARTITIONED

TABLE = "dyno_crm.deal_pipeline_stage_state"
UPDATE = "update dyno_crm.deal_pipeline_stage_state set exited_at = now()"
DELETE = "delete from dyno_crm.deal_pipeline_stage_state"
ROW = (
    "insert into dyno_crm.deal_pipeline_stage_state "
    "(id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at) values "
    "(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now())"
)
# Catches deletes as logical decoding does: whoever does them, and in a session that replicates, too.
CATCH = """
create table dyno_crm.caught (id uuid);
create function dyno_crm.catch() returns trigger language plpgsql security definer
as 'begin insert into dyno_crm.caught values (old.id); return null; end';
create trigger catch after delete on dyno_crm.deal_pipeline_stage_state for each row execute function dyno_crm.catch();
alter table dyno_crm.deal_pipeline_stage_state enable always trigger catch;
"""


async def make(crm: OwnConnection, name: str = "mine", *, truncate_trigger: bool = True) -> list[str]:
    return await make_objects(crm, name, truncate_trigger=truncate_trigger)


async def kinds(crm: OwnConnection, name: str = "mine") -> dict[str, bool]:
    """The existing objects, each with whether it is right."""
    return {each.kind: each.is_right for each in await read_objects(crm, name)}


async def versions(crm: OwnConnection) -> list[str]:
    """The versions of the catalog rows: a change that changes nothing else shows in them."""
    return [
        await crm.fetchval("select xmin::text from pg_publication where pubname = 'mine'"),
        await crm.fetchval(
            "select xmin::text from pg_trigger where tgname = 'funnelproof_delete_before_truncate'"
        ),
        await crm.fetchval(
            "select xmin::text from pg_proc where proname = 'funnelproof_delete_before_truncate'"
        ),
    ]


async def test_the_publication_has_exactly_the_stage_table_and_what_is_right_is_left_alone(
    crm: OwnConnection,
) -> None:
    made = await make(crm)
    assert [each.partition(" ")[0] for each in made] == ["publication", "trigger"]
    assert tuple(
        await crm.fetchrow(
            "select schemaname || '.' || tablename, rowfilter, pubinsert, pubupdate, pubdelete, pubtruncate "
            "from pg_publication_tables inner join pg_publication using (pubname) where pubname = 'mine'"
        )
        or ()
    ) == (TABLE, None, True, True, True, False)
    assert await kinds(crm) == {PUBLICATION: True, TRIGGER: True, FUNCTION: True}
    before = await versions(crm)
    assert await make(crm) == []
    assert await versions(crm) == before


async def test_without_rights_nothing_is_made_and_the_printed_statements_are_all_that_is_missing(
    crm: OwnConnection, worker_role: str
) -> None:
    async with acting_as(crm, worker_role):
        with pytest.raises(PreconditionError, match="nothing was changed") as refused:
            await make(crm)
    assert await kinds(crm) == {}
    await crm.execute(str(refused.value).partition("\n\n")[2])
    async with acting_as(crm, worker_role):
        assert await make(crm) == []
    assert await kinds(crm) == {PUBLICATION: True, TRIGGER: True, FUNCTION: True}


async def test_the_look_needs_no_right_on_other_schemas_whatever_plan_postgres_chooses(
    crm: OwnConnection, worker_role: str
) -> None:
    """A plan may apply a condition to every table of the database before the other conditions."""
    await crm.execute("create schema hidden; create table hidden.other (id uuid primary key)")
    await crm.execute(f"create publication mine for table {TABLE}, tables in schema hidden")
    async with acting_as(crm, worker_role):
        for without in ("nestloop", "hashjoin", "mergejoin"):
            assert await kinds(crm) == {PUBLICATION: False}
            await crm.execute(f"set enable_{without} = off")
        with pytest.raises(PreconditionError, match=r"hidden\.other"):
            await make(crm)


async def test_a_right_for_one_object_makes_no_object_while_the_other_lacks_it(
    crm: OwnConnection, worker_role: str
) -> None:
    """The table's owner may make the trigger, but a publication needs the right to create in the database."""
    await crm.execute(f"grant create on schema dyno_crm to {worker_role}")
    await crm.execute(f"alter table {TABLE} owner to {worker_role}")
    async with acting_as(crm, worker_role):
        with pytest.raises(PreconditionError, match="create publication mine for table"):
            await make(crm)
        assert await kinds(crm) == {}
    await crm.execute(
        f"do $$ begin execute format('grant create on database %I to {worker_role}', current_database()); end $$"
    )
    async with acting_as(crm, worker_role):
        assert len(await make(crm)) == 2


@pytest.mark.parametrize("session", ["set role {role}", "set session_replication_role = replica"])
async def test_a_truncate_deletes_every_row_first_whoever_truncates(
    crm: OwnConnection, worker_role: str, session: str
) -> None:
    """The role may truncate and may not delete; in a session that replicates, ordinary triggers do not fire."""
    await make(crm)
    await crm.execute(CATCH)
    await crm.execute(ROW)
    await crm.execute(session.format(role=worker_role))
    await crm.execute(f"truncate {TABLE}")
    await crm.execute("reset role; reset session_replication_role")
    assert await crm.fetchval("select count(*) from dyno_crm.caught") == 1


async def test_nobody_else_can_attach_the_function_that_deletes_all_rows(
    crm: OwnConnection, worker_role: str
) -> None:
    await make(crm)
    await crm.execute(f"grant create on schema dyno_crm to {worker_role}")
    async with acting_as(crm, worker_role):
        await crm.execute("create table dyno_crm.harmless (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await crm.execute(
                "create trigger bomb before insert on dyno_crm.harmless "
                "execute function dyno_crm.funnelproof_delete_before_truncate()"
            )


async def test_a_truncate_of_a_former_stage_table_leaves_the_rows_of_the_present_one(
    crm: OwnConnection,
) -> None:
    await make(crm)
    await crm.execute(f"alter table {TABLE} rename to former")
    await crm.execute(f"create table {TABLE} (like dyno_crm.former including all)")
    await crm.execute(ROW)
    await crm.execute("truncate dyno_crm.former")
    assert await crm.fetchval("select count(*) from dyno_crm.deal_pipeline_stage_state") == 1


async def test_the_trigger_of_a_former_stage_table_goes_with_the_function(crm: OwnConnection) -> None:
    await make(crm)
    await crm.execute(f"alter table {TABLE} rename to former")
    await crm.execute(f"create table {TABLE} (like dyno_crm.former including all)")
    for each in await read_objects(crm, "mine"):
        await crm.execute(each.statement)
    assert await crm.fetchval("select count(*) from pg_trigger where tgname like 'funnelproof%'") == 0


async def test_without_the_truncate_trigger_only_the_publication_is_made(crm: OwnConnection) -> None:
    assert len(await make(crm, truncate_trigger=False)) == 1
    assert await kinds(crm) == {PUBLICATION: True}


@pytest.mark.parametrize(
    "defect",
    [
        f"alter table {TABLE} enable trigger funnelproof_delete_before_truncate",
        f"alter table {TABLE} disable trigger funnelproof_delete_before_truncate",
        "alter function dyno_crm.funnelproof_delete_before_truncate() security invoker",
        (
            "create or replace function dyno_crm.funnelproof_delete_before_truncate() returns trigger "
            "language plpgsql security definer as 'begin return null; end'"
        ),
        f"drop trigger funnelproof_delete_before_truncate on {TABLE}",
    ],
)
async def test_a_trigger_that_would_not_do_its_work_is_made_anew(crm: OwnConnection, defect: str) -> None:
    await make(crm)
    await crm.execute(defect)
    assert (await kinds(crm)).get(TRIGGER, False) is False
    assert [each.partition(" ")[0] for each in await make(crm)] == ["trigger"]
    assert await kinds(crm) == {PUBLICATION: True, TRIGGER: True, FUNCTION: True}


@pytest.mark.parametrize(
    ("publication", "told"),
    [
        ("for all tables", "dyno_crm.pipeline_stage"),
        ("for tables in schema dyno_crm", "dyno_crm.pipeline_stage"),
        (f"for table {TABLE} where (exited_at is null)", TABLE),
        (f"for table {TABLE} (id, deal_id)", TABLE),
        (f"for table {TABLE} with (publish = 'insert, update')", TABLE),
        (f"for table {TABLE}, dyno_crm.pipeline_stage", "dyno_crm.pipeline_stage"),
        ("for table dyno_crm.pipeline_stage", "dyno_crm.pipeline_stage"),
        ("", "no table"),
    ],
)
async def test_a_publication_of_another_shape_is_refused_and_nothing_is_made(
    crm: OwnConnection, publication: str, told: str
) -> None:
    await crm.execute(f"create publication mine {publication}")
    with pytest.raises(PreconditionError, match="publication mine does not publish") as refused:
        await make(crm)
    assert told in str(refused.value)
    assert TRIGGER not in await kinds(crm)


async def test_a_partitioned_table_is_published_under_its_own_name(crm: OwnConnection) -> None:
    await crm.execute(PARTITIONED)
    await make(crm)
    assert await crm.fetchval(
        "select array_agg(tablename::text) from pg_publication_tables where pubname = 'mine'"
    ) == ["deal_pipeline_stage_state"]
    assert await kinds(crm) == {PUBLICATION: True, TRIGGER: True, FUNCTION: True}
    await crm.execute("alter publication mine set (publish_via_partition_root = false)")
    with pytest.raises(PreconditionError, match="publication mine does not publish"):
        await make(crm)


async def test_a_publication_with_which_the_crm_could_not_write_is_not_made(crm: OwnConnection) -> None:
    """PostgreSQL 18 refuses updates if a generated column of the replica identity is not published."""
    if await crm.fetchval("select current_setting('server_version_num')::int") < 180000:
        pytest.skip("earlier servers have no virtual generated columns")
    await crm.execute(
        f"alter table {TABLE} add column deal_text text generated always as (deal_id::text) virtual"
    )
    with pytest.raises(PreconditionError, match="would refuse the CRM's updates"):
        await make(crm)
    assert await kinds(crm) == {}
    await crm.execute(UPDATE)


async def test_a_stored_generated_column_is_published_so_that_the_crm_can_write(crm: OwnConnection) -> None:
    await crm.execute(
        f"alter table {TABLE} add column deal_text text generated always as (deal_id::text) stored"
    )
    await crm.execute(ROW)
    await make(crm)
    await crm.execute(UPDATE)
    await crm.execute(DELETE)


async def test_a_table_in_use_is_not_waited_for_while_its_writers_wait(
    crm: OwnConnection, database: str
) -> None:
    writer = await asyncpg.connect(database)
    try:
        async with writer.transaction():
            await writer.execute(ROW)
            with pytest.raises(PreconditionError, match="run this again when it has ended"):
                await make(crm)
        assert await kinds(crm) == {}
    finally:
        await writer.close()


async def test_a_slot_of_another_kind_or_another_database_is_refused(
    crm: OwnConnection, postgres_dsn: str
) -> None:
    name = await crm.fetchval("select current_database()")
    other = await asyncpg.connect(postgres_dsn)
    try:
        for connection, statement in (
            (crm, f"select pg_create_physical_replication_slot('{name}')"),
            (other, f"select pg_create_logical_replication_slot('{name}', 'pgoutput')"),
        ):
            await connection.execute(statement)
            (slot,) = await read_objects(crm, name)
            assert (slot.kind, slot.is_right, slot.is_own) == (SLOT, False, False)
            with pytest.raises(PreconditionError, match="is another program's"):
                require_own([slot])
            await connection.execute(f"select pg_drop_replication_slot('{name}')")
    finally:
        await other.close()


async def test_objects_are_removed_in_an_order_that_works_and_what_another_installation_needs_is_not_own(
    crm: OwnConnection,
) -> None:
    name = await crm.fetchval("select current_database()")
    await make(crm)
    await make(crm, name)
    await crm.execute("select pg_create_logical_replication_slot(current_database(), 'pgoutput')")
    try:
        assert {each.kind: each.is_own for each in await read_objects(crm, "mine")} == {
            PUBLICATION: True,
            TRIGGER: False,
            FUNCTION: False,
        }
        found = await read_objects(crm, name)
        assert [each.kind for each in found] == [SLOT, PUBLICATION, TRIGGER, FUNCTION]
        assert all(each.is_own for each in found)
    finally:
        for each in await read_objects(crm, name):
            await drop_object(crm, each)
    assert await kinds(crm, name) == {}
    assert await kinds(crm) == {PUBLICATION: True}
