"""What a user sees when a server refuses: one line that says what to do, and exit status 2."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from streams.brokers import Brokers
from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.cdc.topics import Topics
from streams.store.database import OwnConnection
from streams.store.installation import register_installation
from tests import programs
from tests.fakes.pooler import refusing_pooler, sharing_pooler

SPAN = ("--from", "2026-01-01", "--to", "2026-02-01")
REPORT = ("report", "--tenant", str(uuid4()), "--pipeline", str(uuid4()), *SPAN)


@dataclass(frozen=True)
class Crm:
    """A database with the CRM's tables and an installation's schema, and the settings that name it."""

    dsn: str
    connection: OwnConnection
    environment: dict[str, str]

    async def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment | {f"FUNNELPROOF_{name}": value for name, value in settings.items()}
        return await asyncio.to_thread(programs.run, command, environment, timeout=60)

    async def refuses(self, *command: str, **settings: str) -> str:
        """Run a command that must fail, and return its one line."""
        done = await self.run(*command, **settings)
        assert done.returncode == 2, (done.stdout, done.stderr)
        assert done.stderr.startswith("funnelproof: ")
        assert done.stderr.count("\n") == 1, done.stderr
        assert not done.stdout
        return done.stderr

    @asynccontextmanager
    async def stranger(self) -> AsyncIterator[str]:
        """Give the address with a role that may log in and nothing else."""
        role = f"stranger_{uuid4().hex[:8]}"
        await self.connection.execute(f"create role {role} login password 'stranger'")
        parts = urlsplit(self.dsn)
        try:
            yield parts._replace(netloc=f"{role}:stranger@{parts.netloc.rpartition('@')[2]}").geturl()
        finally:
            await self.connection.execute(f"drop owned by {role}; drop role {role}")


@pytest.fixture
async def crm(database: str) -> AsyncIterator[Crm]:
    name = f"refused{uuid4().hex[:8]}"
    connection = await asyncpg.connect(database)
    await register_installation(connection, name, await connection.fetchval("select now()"))
    outside = {key: value for key, value in os.environ.items() if not key.startswith("FUNNELPROOF_")}
    settings = {
        "SOURCE_DSN": database,
        "KAFKA": "127.0.0.1:1",
        "CONNECT_URL": "http://127.0.0.1:1",
        "INSTANCE": name,
    }
    yield Crm(
        database, connection, outside | {f"FUNNELPROOF_{key}": value for key, value in settings.items()}
    )
    await connection.close()


async def test_a_database_that_takes_no_writes_is_refused_with_the_settings_to_look_at(crm: Crm) -> None:
    name = urlsplit(crm.dsn).path.strip("/")
    await crm.connection.execute("drop schema funnelproof cascade")
    await crm.connection.execute(f"alter database {name} set default_transaction_read_only = on")
    line = await crm.refuses("migrate")
    assert "read-only transaction" in line
    assert "have FUNNELPROOF_SOURCE_DSN and FUNNELPROOF_REPORT_DSN name a database that takes writes" in line


async def test_missing_rights_to_a_schema_and_to_a_table_are_refused_with_the_roles_to_run(crm: Crm) -> None:
    async with crm.stranger() as dsn:
        role = urlsplit(dsn).username
        line = await crm.refuses(*REPORT, SOURCE_DSN=dsn)
        assert "permission denied for schema" in line
        assert "sql/roles.sql" in line
        await crm.connection.execute(f"grant usage on schema dyno_crm, funnelproof to {role}")
        line = await crm.refuses(*REPORT, SOURCE_DSN=dsn)
        assert "permission denied for table" in line
        assert "sql/roles.sql" in line
        for command in ("reconcile", "migrate"):
            assert "permission denied" in await crm.refuses(command, SOURCE_DSN=dsn)


async def test_a_column_that_the_crm_has_renamed_or_retyped_is_named(crm: Crm) -> None:
    rename = "alter table dyno_crm.pipeline_stage rename column display_order to position"
    await crm.connection.execute(rename)
    line = await crm.refuses(*REPORT)
    assert 'column "display_order" does not exist' in line
    assert "give the CRM's table its former names and types back" in line
    await crm.connection.execute(
        "alter table dyno_crm.pipeline_stage rename column position to display_order"
    )
    await crm.connection.execute("alter table dyno_crm.pipeline_stage alter column tenant_id type text")
    line = await crm.refuses(*REPORT)
    assert "invalid input for query argument" in line
    assert "give the CRM's table its former names and types back" in line


async def test_commands_that_wait_for_workers_say_at_once_that_none_lives(crm: Crm) -> None:
    for command in (("reconcile", "--json"), ("backfill", *SPAN), ("revise", *SPAN)):
        assert "no worker lives" in await crm.refuses(*command)


async def test_a_pooler_that_refuses_a_startup_parameter_is_named_with_the_parameter_and_the_setting(
    crm: Crm,
) -> None:
    async with refusing_pooler(crm.dsn) as dsn:
        line = await crm.refuses("migrate", REPORT_DSN=dsn)
    assert "idle_in_transaction_session_timeout" in line
    assert "FUNNELPROOF_REPORT_DSN" in line


async def test_a_worker_is_refused_behind_a_pooler_that_lends_a_session_to_several_clients(
    crm: Crm, kafka: str
) -> None:
    topics, prefix = Topics(Brokers(kafka)), f"pooled{uuid4().hex[:8]}"
    topic = f"{prefix}.dyno_crm.deal_pipeline_stage_state"
    await topics.ensure(topic, 1, DATA_TOPIC_SETTINGS)
    try:
        async with sharing_pooler(crm.dsn) as dsn:
            line = await crm.refuses("worker", REPORT_DSN=dsn, KAFKA=kafka, TOPIC_PREFIX=prefix)
    finally:
        await topics.delete([topic])
    assert "lends one session of Postgres to several clients" in line
    assert "set pool_mode = session in PgBouncer" in line
