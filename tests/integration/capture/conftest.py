"""A database with the CRM's tables alone, which each test gets as new."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from streams.resources import sql
from streams.store.database import OwnConnection
from tests.servers import new_database

EMPTY = """
do $$
declare
    each text;
begin
    for each in
        select format('drop publication %I', pubname) from pg_publication
        union all
        select format('drop schema %I cascade', nspname) from pg_namespace
        where nspname !~ '^pg_' and nspname <> 'information_schema'
    loop
        execute each;
    end loop;
end
$$;
create schema public;
"""
"""Tests change catalogs, so that a clone of the migrated template would serve one test only. A clone takes longer."""


@pytest.fixture(scope="session")
async def crm_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The address of a database that the tests of a process use one after the other."""
    async with new_database(postgres_dsn, "template0") as dsn:
        yield dsn


@pytest.fixture
async def database(crm_database: str) -> str:
    """The address of a database with the CRM's tables, just made, and nothing else."""
    connection = await asyncpg.connect(crm_database)
    try:
        await connection.execute(EMPTY)
        await connection.execute(sql("local/crm"))
    finally:
        await connection.close()
    return crm_database


@pytest.fixture
async def worker_role(crm: OwnConnection) -> AsyncIterator[str]:
    """A role that reads and writes the CRM's rows, and owns nothing."""
    role = f"worker_{uuid4().hex[:10]}"
    await crm.execute(f"create role {role}")
    await crm.execute(f"grant usage on schema dyno_crm to {role}")
    await crm.execute(f"grant select, insert, update, truncate on all tables in schema dyno_crm to {role}")
    yield role
    await crm.execute(f"drop owned by {role}; drop role {role}")


@asynccontextmanager
async def acting_as(connection: OwnConnection, role: str) -> AsyncIterator[None]:
    """Have the session's role be `role` for a while."""
    await connection.execute(f"set role {role}")
    try:
        yield
    finally:
        await connection.execute("reset role")
