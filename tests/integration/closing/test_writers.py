"""Who holds a due window back: those who have written to the stage table, as the source names them."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from streams.completeness.source import read_source
from streams.domain.proof import OpenTransaction
from streams.store.database import OwnConnection

TABLE = "dyno_crm.deal_pipeline_stage_state"
INSERT = (
    f"insert into {TABLE} (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at) "  # noqa: S608 - ours
    "select gen_random_uuid(), id, id, id, id, clock_timestamp() from gen_random_uuid() as id"
)


@pytest.fixture
async def source(database: str) -> AsyncIterator[OwnConnection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def writer(database: str) -> AsyncIterator[OwnConnection]:
    connection = await asyncpg.connect(database, server_settings={"application_name": "the import"})
    yield connection
    await connection.close()


async def holders(source: OwnConnection) -> list[OpenTransaction]:
    _, found = await read_source(source)
    assert all(holder.virtual_id == key for key, holder in found.items())
    return list(found.values())


@pytest.mark.parametrize(
    "statement",
    [
        INSERT,
        f"update {TABLE} set exited_at = entered_at",  # noqa: S608 - ours
        f"delete from {TABLE}",  # noqa: S608 - ours
        f"truncate {TABLE}; {INSERT}",
        f"lock table {TABLE} in access exclusive mode; {INSERT}",
        f"savepoint one; {INSERT}; release one",
    ],
)
async def test_a_transaction_that_has_written_is_named_with_its_process_and_age(
    source: OwnConnection, writer: OwnConnection, statement: str
) -> None:
    async with writer.transaction():
        await writer.execute(statement)
        (found,) = await holders(source)
        assert (found.pid, found.application) == (writer.get_server_pid(), "the import")
        assert found.age is not None
        assert 0 <= found.age < 60
        assert f"pid {found.pid} (" in found.description
    assert await holders(source) == []


@pytest.mark.parametrize(
    "statement",
    [
        f"select from {TABLE} for update",
        f"lock table {TABLE} in share update exclusive mode",
        "create table public.elsewhere as select pg_current_xact_id()",
        f"savepoint one; {INSERT}; rollback to one",
    ],
)
async def test_a_transaction_that_has_not_written_here_holds_nothing_back(
    source: OwnConnection, writer: OwnConnection, statement: str
) -> None:
    async with writer.transaction():
        await writer.execute(statement)
        assert await holders(source) == []


async def test_a_prepared_transaction_is_named_by_what_it_was_prepared_under(
    source: OwnConnection, writer: OwnConnection
) -> None:
    if await source.fetchval("select current_setting('max_prepared_transactions')") == "0":
        pytest.skip("this Postgres prepares no transactions")
    gid = f"order {uuid4()}"
    await writer.execute(f"begin; {INSERT}; prepare transaction '{gid}'")
    try:
        (found,) = await holders(source)
        assert (found.pid, found.application) == (None, gid)
        assert found.age is not None
        assert found.description.startswith(f"prepared transaction '{gid}' (")
    finally:
        await writer.execute(f"rollback prepared '{gid}'")
    assert await holders(source) == []


async def test_a_role_without_rights_sees_who_writes_but_not_since_when(
    source: OwnConnection, writer: OwnConnection, database: str
) -> None:
    role = f"stranger_{uuid4().hex[:8]}"
    await source.execute(
        f"create role {role} login password '{role}'; grant usage on schema dyno_crm to {role}"
    )
    address = urlsplit(database)
    stranger = await asyncpg.connect(
        address._replace(netloc=f"{role}:{role}@{address.netloc.rpartition('@')[2]}").geturl()
    )
    try:
        async with writer.transaction():
            await writer.execute(INSERT)
            (found,) = await holders(stranger)
            assert (found.pid, found.application) == (writer.get_server_pid(), "the import")
            assert (found.since, found.age) == (None, None)
            await source.execute(f"grant pg_read_all_stats to {role}")
            (found,) = await holders(stranger)
            assert found.age is not None
    finally:
        await stranger.close()
        await source.execute(f"drop owned by {role}; drop role {role}")
