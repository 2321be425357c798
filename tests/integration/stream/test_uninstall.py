"""`funnelproof uninstall` leaves both databases, Kafka, Connect and the machine as they were before `migrate`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from confluent_kafka.admin import AdminClient

from streams.resources import sql
from streams.store.database import OwnConnection
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, prepared
from tests.programs import said
from tests.servers import Servers, new_database

pytestmark = pytest.mark.timeout(400)

ROWS = "select count(*) from dyno_crm.deal_pipeline_stage_state"
WITHOUT_REPORTS = "drop table dyno_crm.report_run"
FOREIGN_RUN = """
insert into dyno_crm.report_run (id, tenant_id, report_type, generated_at)
values (gen_random_uuid(), gen_random_uuid(), 'REVENUE', now())
"""
CLOSED = """
select count(*) = 2 and bool_and(entered_count = 2) and bool_and(completeness = 'proven')
from dyno_crm.stage_conversion_current
where pipeline_id = $1 and window_name = '1s' and window_start = $2 and from_stage in ('a', 'b')
"""
REVISED = """
select exists (
    select from dyno_crm.stage_conversion_revisions
    where pipeline_id = $1 and window_start = $2 and revision > 1 and causes = '{delete}'
)
"""
STREAMED = """
update dyno_crm.report_run set parameters = jsonb_set(parameters, '{origin}', '"stream"')
where id = (select id from dyno_crm.report_run where report_type = 'STAGE_CONVERSION' limit 1)
"""
CATALOG = """
with spaces as (select oid, nspname from pg_namespace where nspname !~ '^(pg_|information_schema)')
select 'schema' as kind, nspname::text as name from spaces
union all
select 'relation ' || c.relkind::text, c.oid::regclass::text || ' ' || c.relreplident::text
from pg_class as c inner join spaces on c.relnamespace = spaces.oid
union all
select 'column', a.attrelid::regclass::text || '.' || a.attname || ' ' || a.atttypid::regtype || a.attnotnull::text
from pg_attribute as a inner join pg_class as c on a.attrelid = c.oid inner join spaces on c.relnamespace = spaces.oid
where a.attnum > 0
union all
select 'function', p.oid::regprocedure::text from pg_proc as p inner join spaces on p.pronamespace = spaces.oid
union all
select 'type', t.oid::regtype::text from pg_type as t inner join spaces on t.typnamespace = spaces.oid
union all
select 'constraint', con.conname || pg_get_constraintdef(con.oid)
from pg_constraint as con inner join spaces on con.connamespace = spaces.oid
union all
select 'trigger', t.tgname || t.tgenabled::text from pg_trigger as t where not t.tgisinternal
union all
select 'publication', pubname from pg_publication
union all
select 'slot', slot_name from pg_replication_slots where database = current_database()
union all
select 'default privilege', defaclobjtype::text from pg_default_acl
order by 1, 2
"""


@dataclass(frozen=True)
class Place:
    """An installation that is not made yet, and the sessions to look with."""

    installation: Installation
    crm: OwnConnection
    report: OwnConnection

    async def seen(self) -> dict[str, object]:
        """Everything that an installation could have made, by the servers' own catalogs."""
        settings = self.installation.settings
        admin = AdminClient({"bootstrap.servers": settings.kafka})
        listed = await asyncio.wrap_future(admin.list_consumer_groups())
        async with httpx.AsyncClient(timeout=30) as client:
            connectors = (await client.get(f"{settings.connect_url}/connectors")).json()
        return {
            "crm": [tuple(row) for row in await self.crm.fetch(CATALOG)],
            "report": [tuple(row) for row in await self.report.fetch(CATALOG)],
            "topics": sorted(t for t in admin.list_topics(timeout=10).topics if settings.instance in t),
            "groups": sorted(g.group_id for g in listed.valid if settings.instance in g.group_id),
            "connectors": [name for name in connectors if name == settings.instance],
            "files": settings.state_dir.exists(),
        }

    async def run(self, *words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(self.installation.run, *words)
        return done.returncode, said(done)

    async def install(self) -> None:
        for words in (("migrate",), ("connector", "apply")):
            status, told = await self.run(*words)
            assert status == 0, told

    async def use(self) -> tuple[Funnel, datetime]:
        """Install, and let a window close with facts, as a user would; end with a running worker.

        Return the funnel of the two deals, and the start of the window.
        """
        await self.install()
        funnel = Funnel()
        await funnel.create(self.crm)
        self.installation.start_worker()
        await self.installation.wait_until_folding()
        start = await self.installation.next_window()
        await funnel.enter_two_deals(self.crm, start)
        await self.installation.wait_until(CLOSED, funnel.pipeline, start)
        return funnel, start


@asynccontextmanager
async def place(
    servers: Servers, folder: Path, *statements: str, own_report: bool = False
) -> AsyncIterator[Place]:
    """Have a CRM, changed by `statements`, that has never seen funnelproof."""
    name = f"e2e_{uuid4().hex[:10]}"
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(new_database(servers.postgres_dsn, "template0", name))
        report_dsn = dsn
        if own_report:
            report_dsn = await stack.enter_async_context(
                new_database(servers.postgres_dsn, "template0", f"{name}_facts")
            )
        crm, report = await asyncpg.connect(dsn), await asyncpg.connect(report_dsn)
        for statement in (sql("local/crm"), *statements):
            await crm.execute(statement)
        chosen = {"REPORT_DSN": report_dsn} if own_report else {}
        async with prepared(servers, dsn, name, folder, report, WINDOWS="1s,1h", **chosen) as installation:
            yield Place(installation, crm, report)
        await crm.close()


@pytest.mark.parametrize(
    "own_report",
    [
        pytest.param(False, id="a CRM without reports"),
        pytest.param(True, id="two databases", marks=pytest.mark.thorough),
    ],
)
async def test_nothing_is_left_and_nothing_of_others_is_gone(
    servers: Servers, tmp_path: Path, *, own_report: bool
) -> None:
    async with place(servers, tmp_path, WITHOUT_REPORTS, own_report=own_report) as its:
        before = await its.seen()
        used = await its.use()
        if own_report:
            await windows_are_revised_and_all_is_right_where_facts_and_crm_are_two_databases(its, *used)
        status, told = await its.run("uninstall", "--yes")
        assert (status, "workers live" in told) == (2, True), told
        assert await its.installation.workers[-1].stop() == 0
        status, told = await its.run("uninstall")
        assert (status, "give --yes" in told) == (2, True), told
        installed = await its.seen()
        status, told = await its.run("uninstall", "--dry-run", "--json")
        assert (status, await its.seen()) == (0, installed), told
        status, done = await its.run("uninstall", "--yes", "--json")
        assert (status, json.loads(done)["removed"]) == (0, json.loads(told)["removed"]), done
        assert await its.seen() == before
        assert await its.crm.fetchval(ROWS) == 5
        status, told = await its.run("uninstall", "--yes")  # finds nothing, and harms nothing
        assert (status, await its.seen()) == (0, before), told
        if own_report:
            await its.use()  # funnelproof can be installed again
            await facts_on_which_another_program_rests_stop_their_removal_and_can_be_kept(its)


@pytest.mark.thorough
async def test_reports_of_another_program_stay_in_their_table(servers: Servers, tmp_path: Path) -> None:
    async with place(servers, tmp_path, FOREIGN_RUN) as its:
        before, funnel = await its.seen(), Funnel()
        await its.install()
        await funnel.create(its.crm)
        now = await its.installation.now()
        await funnel.enter_two_deals(its.crm, now)
        of_the_funnel = "--tenant", str(funnel.tenant), "--pipeline", str(funnel.pipeline)
        period = "--from", now.isoformat(), "--to", (now + timedelta(hours=1)).isoformat()
        for _ in range(2):
            status, told = await its.run("report", *of_the_funnel, *period)
            assert status == 0, told
        await its.crm.execute(STREAMED)  # one of the two, as if a worker had made it
        assert await its.crm.fetchval("select count(*) from dyno_crm.report_stage_conversion_fact") == 4
        status, told = await its.run("uninstall", "--yes")
        assert (status, await its.seen()) == (0, before), told
        assert await its.crm.fetchval(ROWS) == 5
        assert await its.crm.fetchval("select array_agg(report_type) from dyno_crm.report_run") == ["REVENUE"]


async def windows_are_revised_and_all_is_right_where_facts_and_crm_are_two_databases(
    its: Place, funnel: Funnel, start: datetime
) -> None:
    """Nothing of one database is in the other, and everything works all the same."""
    installation = its.installation
    await funnel.change(its.crm, "delete from :rows where id = :e2b")
    await installation.wait_until(REVISED, funnel.pipeline, start)
    past = start.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    await funnel.enter(its.crm, uuid4(), "a", past)
    await installation.proven()
    span = "--from", past.isoformat(), "--to", (past + timedelta(hours=1)).isoformat(), "--window", "1h"
    done = await asyncio.to_thread(installation.run, "backfill", "--json", *span)
    assert (done.returncode, json.loads(done.stdout)["windows_closed"]) == (0, 1), done.stderr
    status, found = await asyncio.to_thread(installation.reconcile)
    assert (status, found["outcome"]) == (0, "equal"), found
    done = await asyncio.to_thread(installation.run, "status", "--json")
    assert (done.returncode, json.loads(done.stdout)["completeness"]) == (0, "proven"), done.stdout
    assert await its.crm.fetchval("select to_regclass('funnelproof.window_run') is null")
    assert await its.report.fetchval("select to_regclass('dyno_crm.deal_pipeline_stage_state') is null")


async def facts_on_which_another_program_rests_stop_their_removal_and_can_be_kept(its: Place) -> None:
    facts = "select count(*) from dyno_crm.report_stage_conversion_fact"
    assert await its.installation.workers[-1].stop() == 0
    await its.report.execute(
        "create view dyno_crm.of_others as select * from dyno_crm.report_stage_conversion_fact"
    )
    before = await its.report.fetchval(facts)
    status, told = await its.run("uninstall", "--yes")
    assert (status, "another program" in told, "--keep-facts" in told) == (2, True, True), told
    assert await its.report.fetchval("select to_regclass('funnelproof.window_run') is not null")
    status, told = await its.run("uninstall", "--yes", "--keep-facts")
    assert status == 0, told
    assert before > 0
    assert await its.report.fetchval(facts) == before
    assert await its.report.fetchval("select count(*) from dyno_crm.of_others") == before
    assert await its.report.fetchval("select to_regnamespace('funnelproof') is null")
    assert await its.crm.fetchval("select count(*) from pg_publication") == 0
