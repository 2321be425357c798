"""The facts in another database than the CRM: nothing of one is in the other, and everything works all the same."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.servers import Servers, new_database

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(180)]

COUNTED = """
select count(*) = 2 and bool_and(entered_count = 2) and bool_and(completeness = 'proven')
from dyno_crm.stage_conversion_current
where pipeline_id = $1 and window_name = '3s' and window_start = $2 and from_stage in ('a', 'b')
"""


async def test_windows_close_proven_and_are_revised_where_facts_and_crm_are_two_databases(
    install: Install, servers: Servers
) -> None:
    async with (
        new_database(servers.postgres_dsn, "template0", f"facts_{uuid4().hex[:10]}") as report_dsn,
        install(WINDOWS="3s,1h", REPORT_DSN=report_dsn) as installation,
    ):
        crm, report = installation.connection, await asyncpg.connect(report_dsn)
        facts = replace(installation, connection=report)
        funnel = Funnel()
        await funnel.create(crm)
        facts.start_worker()
        await facts.wait_until_folding()
        start = await facts.next_window()
        await funnel.enter_two_deals(crm, start)
        await facts.wait_until(COUNTED, funnel.pipeline, start)
        await funnel.change(crm, "delete from :rows where id = :e2b")
        await facts.wait_until(
            "select exists (select from dyno_crm.stage_conversion_revisions "
            "where pipeline_id = $1 and window_start = $2 and revision = 2 and causes = '{delete}')",
            *(funnel.pipeline, start),
        )
        past = start.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
        await funnel.enter(crm, uuid4(), "a", past)
        await facts.proven()
        span = "--from", past.isoformat(), "--to", (past + timedelta(hours=1)).isoformat(), "--window", "1h"
        done = await asyncio.to_thread(installation.run, "backfill", "--json", *span)
        assert (done.returncode, json.loads(done.stdout)["windows_closed"]) == (0, 1), done.stderr
        status, found = await asyncio.to_thread(installation.reconcile)
        assert (status, found["outcome"]) == (0, "equal"), found
        told = await asyncio.to_thread(installation.run, "status", "--json")
        assert (told.returncode, json.loads(told.stdout)["completeness"]) == (0, "proven"), told.stdout
        assert await crm.fetchval(
            "select to_regclass('funnelproof.window_run') is null or not exists "
            "(select from funnelproof.window_run)"
        )
        assert await report.fetchval("select to_regclass('dyno_crm.deal_pipeline_stage_state') is null")
        await report.close()
