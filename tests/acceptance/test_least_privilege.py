"""From two databases and roles with the fewest rights to the first proof, and back, as docs/installation.md says."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from streams.resources import sql
from streams.settings import PREFIX
from streams.store.database import OwnConnection
from tests import programs
from tests.integration.stream.installation import Worker
from tests.servers import Servers, new_database

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(240)]

ROLES = ("cdc", "owner", "worker", "reader")
ENTRIES = """
insert into dyno_crm.deal_pipeline_stage_state
select gen_random_uuid(), md5('t')::uuid, md5((n / 2)::text)::uuid, md5('p')::uuid, md5((n % 2)::text)::uuid,
    now() - interval '1 hour' + n * interval '1 second'
from generate_series(0, 99) as n
"""
STAGES = """
insert into dyno_crm.pipeline_stage
select md5(n::text)::uuid, md5('t')::uuid, md5('p')::uuid, 'stage ' || n, n from generate_series(0, 1) as n
"""


@dataclass(frozen=True)
class Site:
    """A CRM's server and a report server, as far as the databases of one server can be, and a login for each role."""

    crm: OwnConnection
    report: OwnConnection
    addresses: dict[str, str]
    environment: dict[str, str]

    def settings(self, source: str, report: str) -> dict[str, str]:
        """Return the environment in which commands use the logins `source` and `report`."""
        return self.environment | {
            f"{PREFIX}SOURCE_DSN": self.addresses[f"{source}@crm"],
            f"{PREFIX}REPORT_DSN": self.addresses[f"{report}@report"],
            f"{PREFIX}CDC_DSN": self.addresses["cdc@crm"],
        }

    async def run(self, *command: str, source: str, report: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(programs.run, command, self.settings(source, report), timeout=120)

    async def done(self, *command: str, source: str, report: str) -> str:
        """Run a command that must not fail; return its output."""
        ended = await self.run(*command, source=source, report=report)
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        return ended.stdout


@pytest.fixture
async def site(servers: Servers, tmp_path: Path) -> AsyncIterator[Site]:
    name = f"least_{uuid4().hex[:10]}"
    logins = {"crm": name, **{role: f"{name}_{role}" for role in ROLES}}
    admin = await asyncpg.connect(servers.postgres_dsn)
    for login in logins.values():
        await admin.execute(f"create role {login} login password 'secret'")
    try:
        async with (
            new_database(servers.postgres_dsn, "template0", f"{name}_crm") as crm_dsn,
            new_database(servers.postgres_dsn, "template0", f"{name}_report") as report_dsn,
        ):
            databases = {"crm": crm_dsn, "report": report_dsn}
            crm, report = [await asyncpg.connect(dsn) for dsn in databases.values()]
            await crm.execute(f"grant create on database {name}_crm to {name}; set role {name}")
            await crm.execute(sql("local/crm") + "drop table dyno_crm.report_run;" + STAGES + ";" + ENTRIES)
            await crm.execute("reset role")
            for part, connection in (("source", crm), ("report", report)):
                await connection.execute(f"set funnelproof.part = {part}")
                await connection.execute(sql("roles"))
            for role in ROLES:
                await admin.execute(f"grant funnelproof_{role} to {logins[role]}")
            await admin.execute(f"alter role {logins['owner']} set role = funnelproof_owner")
            await admin.execute(f"alter role {logins['cdc']} replication")
            people = {"dba": None, **logins}
            mine = {
                "KAFKA": servers.kafka,
                "CONNECT_URL": servers.connect_url,
                "INSTANCE": name,
                "TOPIC_PREFIX": name,
                "PARTITIONS": "2",
                "WINDOWS": "1h",
                "STATE_DIR": str(tmp_path / "state"),
            }
            yield Site(
                crm,
                report,
                {
                    f"{person}@{place}": as_login(dsn, login)
                    for place, dsn in databases.items()
                    for person, login in people.items()
                },
                {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
                | {f"{PREFIX}{key}": value for key, value in mine.items()},
            )
            await crm.close()
            await report.close()
    finally:
        for login in logins.values():
            await admin.execute(f"drop role {login}")
        await admin.close()


async def closes_and_compares(site: Site) -> None:
    """Let the worker's role close and compare what the reader's role then reads."""
    now = datetime.now(UTC)
    hours = "--from", (now - timedelta(hours=3)).isoformat(), "--to", now.isoformat()
    assert "closed" in await site.done("backfill", *hours, source="worker", report="worker")
    assert "equal" in await site.done("reconcile", source="worker", report="worker")
    reader = await asyncpg.connect(site.addresses["reader@report"])
    rows = await reader.fetch(
        "select completeness, sum(entered_count)::int as entered"
        " from dyno_crm.stage_conversion_current group by 1"
    )
    live = await reader.fetchval("select sum(entered_count)::int from dyno_crm.stage_conversion_live")
    await reader.close()
    assert [row["completeness"] for row in rows] == ["proven"]
    assert rows[0]["entered"] + (live or 0) == 50


def as_login(dsn: str, login: str | None) -> str:
    parts = urlsplit(dsn)
    address = parts.netloc.rpartition("@")[2]
    return dsn if login is None else parts._replace(netloc=f"{login}:secret@{address}").geturl()


@pytest.mark.parametrize("owner_applies", [True, False], ids=["by the owner of the table", "by the DBA"])
async def test_each_role_does_its_part_up_to_the_first_proof_and_nothing_is_left(
    site: Site, tmp_path: Path, *, owner_applies: bool
) -> None:
    await site.done("migrate", source="worker", report="owner")
    if owner_applies:
        applied = await site.done("connector", "apply", source="crm", report="worker")
    else:
        refused = await site.run("connector", "apply", source="worker", report="worker")
        assert refused.returncode == 2, refused.stdout
        await site.crm.execute(refused.stderr.partition("\n\n")[2])  # the statements, as printed
        applied = await site.done("connector", "apply", source="worker", report="worker")
    assert "RUNNING" in applied

    worker = Worker(site.settings("worker", "worker"), tmp_path / "worker.log")
    try:
        async with asyncio.timeout(60):
            while not await site.report.fetchval("select exists (select from funnelproof.prover)"):
                assert worker.runs, worker.log()
                await asyncio.sleep(0.1)
        assert "all is well" in await site.done("status", source="worker", report="worker")
        if not owner_applies:
            await closes_and_compares(site)
        assert await worker.stop() == 0, worker.log()
    finally:
        worker.kill()
    remover = "crm" if owner_applies else "dba"
    await site.done("uninstall", "--yes", source=remover, report="owner")
    for connection in (site.crm, site.report):
        assert not await connection.fetchval("select to_regnamespace('funnelproof') is not null")
        assert not await connection.fetchval(
            "select exists (select from pg_publication) or exists "
            "(select from pg_replication_slots where database = current_database())"
        )
