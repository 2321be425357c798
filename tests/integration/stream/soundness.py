"""What must hold after a fault, and large writes into one window."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

# Of each window the revisions are 1, 2, 3, ... and each says something that the one before did not.
SOUND_REVISIONS = """
select coalesce(bool_and(run.revision = 1 or changed.run_id is not null), false)
    and count(*) = (
        select sum(last) from (
            select max(revision) as last from funnelproof.window_run
            group by tenant_id, pipeline_id, window_name, window_start
        ) as each_window
    )
from funnelproof.window_run as run
left join (select distinct run_id from dyno_crm.stage_conversion_revisions) as changed using (run_id)
"""

CLOSED = """
select exists (
    select from funnelproof.time_window
    where window_name = '3s' and window_start >= $1 and closed_at is not null
)
"""
FIRST_RUN = """
select fact.entered_count, proof.completeness
from funnelproof.window_run as run
inner join funnelproof.proof using (proof_id)
inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
where
    run.pipeline_id = $1 and run.window_name = '3s' and run.window_start = $2 and run.revision = 1
    and fact.from_stage_id = $3
"""
MANY_ENTRIES = """
insert into dyno_crm.deal_pipeline_stage_state (
    id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at
)
select gen_random_uuid(), $1, gen_random_uuid(), $2, $3, $4 from generate_series(1, $5::integer)
"""


async def enter_many(installation: Installation, funnel: Funnel, start: datetime, many: int) -> None:
    """Add so many entries to a window in one transaction; the window must not have ended when it commits."""
    stage = funnel.ids["a"]
    await installation.connection.execute(MANY_ENTRIES, funnel.tenant, funnel.pipeline, stage, start, many)
    assert await installation.now() < start + timedelta(seconds=3)


async def closed_with_all(installation: Installation, funnel: Funnel, start: datetime, many: int) -> None:
    """Wait until the window is closed: its first run has everything that was committed before its end."""
    await installation.wait_until(CLOSED, start, seconds=60)
    run = await installation.connection.fetchrow(FIRST_RUN, funnel.pipeline, start, funnel.ids["a"])
    assert run is not None
    assert tuple(run) == (many, "proven")


async def everything_is_right(installation: Installation, *tenants: UUID) -> None:
    """Compare the windows of these tenants (all, if none is given); of all of them the revisions are sound."""
    await installation.proven(seconds=60)
    await installation.right(*tenants)
    status, found = await asyncio.to_thread(installation.reconcile)
    assert (status, found["outcome"]) == (0, "equal"), found
    assert await installation.connection.fetchval(SOUND_REVISIONS)
