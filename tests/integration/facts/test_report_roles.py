"""What each of the roles of `sql/roles.sql` may do, and that it may do no more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import OwnConnection
from streams.store.installation import install
from streams.store.migrations import known_migrations, migrate

RUN = (
    "insert into dyno_crm.report_run values (gen_random_uuid(), gen_random_uuid(), 'STAGE_CONVERSION', now())"
)
WRITES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


@pytest.fixture
async def granted(connection: OwnConnection) -> OwnConnection:
    """The roles granted twice: the second time must change and break nothing."""
    for _ in range(2):
        await connection.execute(sql("roles"))
        await install(connection, connection, "funnelproof")
    return connection


@asynccontextmanager
async def acting_as(connection: OwnConnection, role: str) -> AsyncIterator[None]:
    await connection.execute(f"set role {role}")
    try:
        yield
    finally:
        await connection.execute("reset role")


async def relations(connection: OwnConnection, role: str, privilege: str) -> set[str]:
    """The tables and views of both schemas that `role` has `privilege` on, for the whole or for some column."""
    rows = await connection.fetch(
        "select oid::regclass::text from pg_class where relkind in ('r', 'v')"
        " and relnamespace in ('dyno_crm'::regnamespace, 'funnelproof'::regnamespace)"
        " and case when $2 in ('DELETE', 'TRUNCATE') then has_table_privilege($1, oid, $2)"
        " else has_any_column_privilege($1, oid, $2) end",
        role,
        privilege,
    )
    return {row[0] for row in rows}


async def test_the_reader_reads_the_results_and_writes_nothing(granted: OwnConnection) -> None:
    for privilege in WRITES:
        assert await relations(granted, "funnelproof_reader", privilege) == set()
    readable = await relations(granted, "funnelproof_reader", "SELECT")
    assert {
        "dyno_crm.report_run",
        "dyno_crm.stage_conversion_current",
        "funnelproof.schema_migration",
    } <= readable
    assert not {"dyno_crm.pipeline_stage", "dyno_crm.deal_pipeline_stage_state"} & readable
    async with acting_as(granted, "funnelproof_reader"):
        assert await granted.fetch("select * from dyno_crm.stage_conversion_current") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await granted.execute(RUN)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await granted.execute("create table funnelproof.mine (id int)")


async def test_the_worker_adds_runs_and_facts_and_edits_nothing_but_a_status(granted: OwnConnection) -> None:
    own = "funnelproof_worker"
    of_crm = {
        privilege: {name for name in await relations(granted, own, privilege) if name.startswith("dyno_crm.")}
        for privilege in WRITES
    }
    assert of_crm == {
        "INSERT": {"dyno_crm.report_run", "dyno_crm.report_stage_conversion_fact"},
        "UPDATE": {"dyno_crm.report_run"},
        "DELETE": set(),
        "TRUNCATE": set(),
    }
    async with acting_as(granted, own):
        await granted.execute(RUN)
        await granted.execute("update dyno_crm.report_run set status = 'FAILED'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await granted.execute("update dyno_crm.report_run set parameters = '{}'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await granted.execute("delete from funnelproof.schema_migration")
        assert await migrate(granted) == []  # asks, and has nothing to do


async def test_debeziums_role_replicates_and_reads_the_stage_tables_only(granted: OwnConnection) -> None:
    assert await granted.fetchval("select rolreplication from pg_roles where rolname = 'funnelproof_cdc'")
    assert await relations(granted, "funnelproof_cdc", "SELECT") == {
        "dyno_crm.pipeline_stage",
        "dyno_crm.deal_pipeline_stage_state",
    }
    for privilege in WRITES:
        assert await relations(granted, "funnelproof_cdc", privilege) == set()


async def test_no_role_has_more_than_its_task_needs(granted: OwnConnection) -> None:
    rows = await granted.fetch(
        "select rolname, rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolcanlogin, rolreplication"
        " from pg_roles where rolname like 'funnelproof%' order by 1"
    )
    assert [tuple(row) for row in rows] == [
        ("funnelproof_cdc", False, True),
        ("funnelproof_deals", False, False),
        ("funnelproof_owner", False, False),
        ("funnelproof_reader", False, False),
        ("funnelproof_web", False, False),
        ("funnelproof_worker", False, False),
    ]


async def set_up(connection: OwnConnection, part: str) -> None:
    """Run the file as `psql -c "set funnelproof.part = ..." -f sql/roles.sql` does."""
    await connection.execute(f"set funnelproof.part = {part}")
    await connection.execute(sql("roles"))


async def works(connection: OwnConnection) -> None:
    """Try what the worker and the reader do, each in its role."""
    async with acting_as(connection, "funnelproof_worker"):
        await connection.execute(RUN)
        await connection.execute("update dyno_crm.report_run set status = 'FAILED'")
        await connection.execute("insert into funnelproof.sealed values ('hour', now())")
    async with acting_as(connection, "funnelproof_reader"):
        assert await connection.fetchval("select count(*) from dyno_crm.report_run") == 1
        assert await connection.fetch("select * from dyno_crm.stage_conversion_current") == []
        assert await connection.fetch("select * from dyno_crm.stage_conversion_live") == []
        assert await connection.fetchval("select count(*) from funnelproof.sealed") == 1


async def test_after_the_file_the_owner_migrates_and_all_roles_work(empty_connection: OwnConnection) -> None:
    await empty_connection.execute(sql("roles"))
    async with acting_as(empty_connection, "funnelproof_owner"):
        assert await install(empty_connection, empty_connection, "mine") == known_migrations()
    await works(empty_connection)


async def test_roles_that_are_made_after_the_tables_get_their_rights_from_the_next_migrate(
    empty_connection: OwnConnection,
) -> None:
    await migrate(empty_connection)  # the roles of this server exist, so only the schema is made
    await empty_connection.execute(sql("roles"))
    async with acting_as(empty_connection, "funnelproof_reader"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await empty_connection.fetch("select * from dyno_crm.stage_conversion_current")
    assert await install(empty_connection, empty_connection, "mine") == []
    await works(empty_connection)


async def test_with_two_databases_each_has_the_rights_that_its_part_needs(
    connection: OwnConnection, empty_connection: OwnConnection
) -> None:
    await set_up(connection, "source")
    await set_up(empty_connection, "report")
    creates = "select has_database_privilege('funnelproof_owner', current_database(), 'create')"
    assert [await each.fetchval(creates) for each in (connection, empty_connection)] == [False, True]
    assert await relations(connection, "funnelproof_owner", "SELECT") == set()
    assert await relations(connection, "funnelproof_worker", "SELECT") == {
        "dyno_crm.pipeline_stage",
        "dyno_crm.deal_pipeline_stage_state",
    }
    async with acting_as(empty_connection, "funnelproof_owner"), acting_as(connection, "funnelproof_worker"):
        assert await install(connection, empty_connection, "mine") == known_migrations()
    await works(empty_connection)


async def test_the_owner_of_existing_runs_lends_its_rights_for_the_first_migrate_only(
    empty_connection: OwnConnection,
) -> None:
    crm = f"crm_{uuid4().hex}"
    await empty_connection.execute(f"create role {crm}")
    await empty_connection.execute(sql("local/crm"))
    await empty_connection.execute(f"alter table dyno_crm.report_run owner to {crm}")
    notes: list[str] = []
    empty_connection.add_log_listener(lambda _, note: notes.append(str(note)))
    await empty_connection.execute(sql("roles"))
    lend, give_back = f"grant {crm} to funnelproof_owner", f"revoke {crm} from funnelproof_owner"
    assert [(lend in note, give_back in note) for note in notes] == [(True, True)]
    try:
        async with acting_as(empty_connection, "funnelproof_owner"):
            with pytest.raises(PreconditionError, match="must be owner of table report_run"):
                await install(empty_connection, empty_connection, "mine")
        await empty_connection.execute(lend)
        async with acting_as(empty_connection, "funnelproof_owner"):
            assert await install(empty_connection, empty_connection, "mine") == known_migrations()
        await empty_connection.execute(give_back)
        await works(empty_connection)
        async with acting_as(empty_connection, "funnelproof_owner"):
            assert await install(empty_connection, empty_connection, "mine") == []
    finally:
        await empty_connection.execute(f"drop owned by {crm} cascade")
        await empty_connection.execute(f"drop role {crm}")


async def test_a_part_that_is_no_part_is_refused(empty_connection: OwnConnection) -> None:
    with pytest.raises(asyncpg.RaiseError, match="source, report or both, not crm"):
        await set_up(empty_connection, "crm")


async def test_the_crm_s_tables_may_come_later(empty_connection: OwnConnection) -> None:
    await empty_connection.execute(sql("roles"))
    await empty_connection.execute(sql("local/crm"))
    await empty_connection.execute(sql("roles"))
    async with acting_as(empty_connection, "funnelproof_cdc"):
        assert await empty_connection.fetch("select * from dyno_crm.pipeline_stage") == []


async def test_two_migrates_at_once_grant_one_after_the_other(
    empty_connection: OwnConnection, empty_database: str
) -> None:
    await empty_connection.execute(sql("roles"))
    await migrate(empty_connection)
    sessions = [await asyncpg.connect(empty_database) for _ in range(6)]
    await asyncio.gather(*(session.execute(sql("queries/store/grants")) for session in sessions))
    for session in sessions:
        await session.close()
    await works(empty_connection)
