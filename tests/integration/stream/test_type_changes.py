"""The CRM changes the types of its columns while a worker runs."""

import asyncio
from uuid import uuid4

import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(180)]

CHANGES = (
    "alter table dyno_crm.pipeline_stage alter column name type varchar(80), alter column display_order type bigint",
    "alter table dyno_crm.report_run alter column status type varchar(40)",
    "alter table dyno_crm.pipeline_stage add column probability numeric default 0.5",
    "alter table dyno_crm.pipeline_stage alter column display_order type numeric",
)
PAIRS = """
select array_agg(from_stage || to_stage order by from_stage) = $3
from dyno_crm.stage_conversion_current
where pipeline_id = $1 and window_name = '1s' and window_start = $2 and completeness = 'proven'
"""


async def closes(installation: Installation, funnel: Funnel, pairs: list[str]) -> None:
    """Wait until a window closes, proven, with these pairs of stages."""
    start = await installation.next_window()
    deal = uuid4()
    for stage in "ab":
        await funnel.enter(installation.connection, deal, stage, await installation.now())
    await installation.wait_until(PAIRS, funnel.pipeline, start, pairs)


async def test_a_worker_goes_on_while_columns_get_other_types_and_other_names_and_stages_a_fractional_order(
    install: Install,
) -> None:
    async with install(WINDOWS="1s,1h") as installation:
        connection, funnel = installation.connection, Funnel()
        await funnel.create(connection)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        await closes(installation, funnel, ["ab", "bc"])
        for change in CHANGES:
            await connection.execute(change)
            await closes(installation, funnel, ["ab", "bc"])
            assert worker.runs
        # c moves between a and b
        await connection.execute(
            "update dyno_crm.pipeline_stage set display_order = 0.5 where id = $1", funnel.ids["c"]
        )
        await closes(installation, funnel, ["ac", "cb"])
        done = await asyncio.to_thread(installation.run, "reconcile")
        assert done.returncode == 0, done.stdout + done.stderr

        # A reconciliation of a renamed column is a line and no difference.
        await connection.execute(
            "alter table dyno_crm.deal_pipeline_stage_state rename column entered_at to stage_entered_at"
        )
        await connection.execute(
            "insert into dyno_crm.deal_pipeline_stage_state"
            "(id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, stage_entered_at)"
            " values ($1, $2, $3, $4, $5, now())",
            *(uuid4(), funnel.tenant, uuid4(), funnel.pipeline, funnel.ids["a"]),
        )
        done = await asyncio.to_thread(installation.run, "reconcile")
        assert done.returncode == 2
        assert done.stderr.startswith("funnelproof: Postgres refused: column ")
        assert "give the CRM's table its former names and types back" in done.stderr
        assert done.stderr.count("\n") == 1
        assert worker.runs
