"""The runner of migrations and the schema it leaves behind."""

import asyncio
import json
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest

from streams.errors import PreconditionError
from streams.resources import sql
from streams.store import migrations
from streams.store.database import OwnConnection
from streams.store.installation import install, require_installation
from streams.store.migrations import Migration, known_migrations, migrate
from tests import programs
from tests.integration.stream.installation import outside

# What is in a schema, table by table: columns, constraints, indexes, triggers, a view's text.
CONTENTS = """
    select c.relname, jsonb_build_array(
        (select jsonb_agg(jsonb_build_array(attname, format_type(atttypid, atttypmod), attnotnull) order by attname)
            from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped),
        (select jsonb_agg(pg_get_constraintdef(oid) order by conname) from pg_constraint where conrelid = c.oid),
        (select jsonb_agg(pg_get_indexdef(indexrelid) order by indexrelid) from pg_index where indrelid = c.oid),
        (select jsonb_agg(pg_get_triggerdef(oid) order by tgname) from pg_trigger
            where tgrelid = c.oid and not tgisinternal),
        case c.relkind when 'v' then pg_get_viewdef(c.oid) end
    ) from pg_class c where relnamespace = to_regnamespace('dyno_crm') and relkind in ('r', 'v', 'p', 'm')
"""
OLD_RUNS = """
    create schema dyno_crm;
    create table dyno_crm.report_run (
        id uuid primary key, tenant_id uuid not null, report_type text not null,
        generated_at timestamptz not null, note text
    );
    insert into dyno_crm.report_run
    select md5(n::text)::uuid, md5('t')::uuid, 'OTHER', '2026-01-01Z', 'kept' from generate_series(1, 3) n;
"""
FIRST = Migration(1, "first", "create table first_thing (id int)")
SECOND = Migration(2, "second", "create table second_thing (id int)")


async def contents(connection: OwnConnection) -> dict[str, object]:
    return {row[0]: json.loads(row[1]) for row in await connection.fetch(CONTENTS)}


async def names(connection: OwnConnection) -> list[str]:
    rows = await connection.fetch("select name from funnelproof.schema_migration order by version")
    return [row["name"] for row in rows]


def test_the_files_are_numbered_one_by_one() -> None:
    versions = [migration.version for migration in known_migrations()]
    assert versions[0] == 1
    assert all(later == earlier + 1 for earlier, later in pairwise(versions))


async def test_migrating_applies_everything_once_and_then_nothing(empty_connection: OwnConnection) -> None:
    assert await migrate(empty_connection) == known_migrations()
    before = await contents(empty_connection)
    assert await migrate(empty_connection) == []
    assert await contents(empty_connection) == before
    rows = await empty_connection.fetch(
        "select name, checksum from funnelproof.schema_migration order by version"
    )
    assert [tuple(row) for row in rows] == [(known.name, known.checksum) for known in known_migrations()]


async def test_a_dry_run_says_what_would_be_done_and_writes_nothing(empty_connection: OwnConnection) -> None:
    assert await migrate(empty_connection, dry_run=True) == known_migrations()
    schemas = await empty_connection.fetch(
        "select nspname from pg_namespace where nspname in ('dyno_crm', 'funnelproof')"
    )
    assert schemas == []
    await migrate(empty_connection)
    assert await migrate(empty_connection, dry_run=True) == []


async def test_each_migration_touches_in_the_crms_schema_what_it_says_and_nothing_else(
    empty_connection: OwnConnection,
) -> None:
    await empty_connection.execute(sql("local/crm"))
    known = known_migrations()
    for count, migration in enumerate(known, start=1):
        before = await contents(empty_connection)
        await migrate(empty_connection, known=known[:count])
        after = await contents(empty_connection)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        said = {effect.partition(":")[0].removeprefix("dyno_crm.") for effect in migration.touches}
        assert changed == said


async def test_two_sessions_at_once_apply_each_migration_once(
    connection: OwnConnection, other_connection: OwnConnection
) -> None:
    slow = Migration(1, "slow", "create table slow_thing (id int); select pg_sleep(0.2)")
    known = [*known_migrations(), replace(slow, version=9998), replace(SECOND, version=9999)]
    done = await asyncio.gather(migrate(connection, known=known), migrate(other_connection, known=known))
    assert sorted(len(each) for each in done) == [0, 2]


async def test_two_processes_at_once_apply_each_migration_once(empty_database: str) -> None:
    environment = outside() | {"FUNNELPROOF_SOURCE_DSN": empty_database}
    done = await asyncio.gather(
        *(asyncio.to_thread(programs.run, ["migrate", "--json"], environment) for _ in range(2))
    )
    assert [each.returncode for each in done] == [0, 0]
    applied = sorted(len(json.loads(each.stdout)["migrations"]) for each in done)
    assert applied == [0, len(known_migrations())]


async def test_an_older_table_of_runs_gets_what_it_lacks_and_keeps_its_rows(
    empty_connection: OwnConnection,
) -> None:
    await empty_connection.execute(OLD_RUNS)
    before = await empty_connection.fetch("select * from dyno_crm.report_run order by id")
    await migrate(empty_connection)
    kept = await empty_connection.fetch(
        "select id, tenant_id, report_type, generated_at, note from dyno_crm.report_run order by id"
    )
    assert [tuple(row) for row in kept] == [tuple(row) for row in before]
    assert await empty_connection.fetchval(
        "select count(*) from dyno_crm.report_run where num_nulls(period_start, period_end, parameters, status) = 4"
    ) == len(before)
    run = UUID(int=1)
    await empty_connection.execute(
        "insert into dyno_crm.report_run values ($1, $1, 'STAGE_CONVERSION', '2026-01-01Z')", run
    )
    with pytest.raises(asyncpg.ForeignKeyViolationError):  # the run is another tenant's
        await empty_connection.execute(
            "insert into dyno_crm.report_stage_conversion_fact values ($1, $2, $1, $1, $1, 0, 0, 0)",
            run,
            UUID(int=2),
        )


async def test_a_unique_run_and_tenant_by_another_name_and_order_is_not_made_twice(
    empty_connection: OwnConnection,
) -> None:
    await empty_connection.execute(OLD_RUNS)
    await empty_connection.execute("create unique index theirs on dyno_crm.report_run (tenant_id, id)")
    await migrate(empty_connection)
    uniques = await empty_connection.fetchval(
        "select count(*) from pg_index where indrelid = 'dyno_crm.report_run'::regclass and indisunique"
    )
    assert uniques == 2  # theirs and the primary key


async def test_a_partial_unique_index_does_not_stand_in_for_the_constraint(
    empty_connection: OwnConnection,
) -> None:
    await empty_connection.execute(OLD_RUNS)
    await empty_connection.execute(
        "create unique index theirs on dyno_crm.report_run (id, tenant_id) where report_type = 'OTHER'"
    )
    assert await migrate(empty_connection) == known_migrations()


async def test_an_edited_migration_is_refused(empty_connection: OwnConnection) -> None:
    await migrate(empty_connection, known=[FIRST])
    edited = replace(FIRST, text=FIRST.text + " -- edited")
    for dry_run in (False, True):
        with pytest.raises(PreconditionError, match="0001_first was edited"):
            await migrate(empty_connection, known=[edited, SECOND], dry_run=dry_run)
    assert await names(empty_connection) == ["first"]


async def test_a_database_of_a_newer_program_is_refused(empty_connection: OwnConnection) -> None:
    await migrate(empty_connection, known=[FIRST, SECOND])
    with pytest.raises(PreconditionError, match="0002_second, which this funnelproof does not know"):
        await migrate(empty_connection, known=[FIRST])


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("select 1 / 0", "division by zero"),
        # Its own statements succeed; noting it as applied then does not.
        ("insert into funnelproof.schema_migration values (2, 'second', '')", "duplicate key"),
    ],
)
async def test_a_migration_that_fails_leaves_nothing_of_itself_and_all_that_came_before(
    empty_connection: OwnConnection, statement: str, told: str
) -> None:
    broken = replace(SECOND, text=f"{SECOND.text}; {statement}")
    with pytest.raises(PreconditionError, match=rf"0002_second does not fit this database \({told}"):
        await migrate(empty_connection, known=[FIRST, broken])
    assert await names(empty_connection) == ["first"]
    assert await empty_connection.fetchval("select to_regclass('second_thing')") is None
    assert await migrate(empty_connection, known=[FIRST, SECOND]) == [SECOND]


async def test_a_table_in_use_is_not_waited_for_long(
    connection: OwnConnection, other_connection: OwnConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "100ms")
    touching = Migration(9999, "touching", "alter table dyno_crm.pipeline_stage add column colour text")
    known = [*known_migrations(), touching]
    async with other_connection.transaction():
        await other_connection.fetch("select from dyno_crm.pipeline_stage")
        with pytest.raises(PreconditionError, match="9999_touching waited 100ms"):
            await migrate(connection, known=known)
    assert await migrate(connection, known=known) == [touching]


async def test_no_command_works_on_the_schema_of_another_version(connection: OwnConnection) -> None:
    await install(connection, connection, "mine")
    assert await require_installation(connection, "mine") <= await connection.fetchval("select now()")
    ledger = "funnelproof.schema_migration"
    newest = known_migrations()[-1]
    await connection.execute(f"delete from {ledger} where version = {newest.version}")  # noqa: S608 - a number
    with pytest.raises(PreconditionError, match=rf"lacks migration {newest} .* run `funnelproof migrate`"):
        await require_installation(connection, "mine")
    for version in (newest.version, 9999):
        await connection.execute(f"insert into {ledger} values ($1, 'later', $2)", version, newest.checksum)  # noqa: S608 - the test's own name
    with pytest.raises(PreconditionError, match="migrated by a newer one"):
        await require_installation(connection, "mine")


async def test_a_role_that_may_not_is_told_so(empty_connection: OwnConnection) -> None:
    await empty_connection.execute("set role pg_monitor")
    with pytest.raises(PreconditionError, match="needs a role that may do it"):
        await migrate(empty_connection)


async def test_a_connection_in_a_transaction_is_refused(empty_connection: OwnConnection) -> None:
    async with empty_connection.transaction():
        with pytest.raises(PreconditionError, match="in a transaction"):
            await migrate(empty_connection)


async def test_the_lock_is_let_go_after_success_and_failure(
    empty_connection: OwnConnection,
) -> None:
    await migrate(empty_connection, known=[FIRST])
    with pytest.raises(PreconditionError):
        await migrate(empty_connection, known=[FIRST, replace(SECOND, text="nonsense")])
    held = await empty_connection.fetchval(
        "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    )
    assert held == 0
