"""Every kind of change to the CRM's rows, in open and in closed windows, held against the canonical SQL.

The windows are of 3 seconds, which close while a test runs, and of an hour, which stay open:

    3s  |----W----|---------|---------|      two deals enter in W; once it is closed, they are changed
    1h  |----------------------------- ..
"""

import asyncio
import time
from uuid import uuid4

import pytest

from tests.integration.stream.funnel import CHANGES, Funnel
from tests.integration.stream.installation import Installation

pytestmark = pytest.mark.timeout(120)

RUNS = """
select revision, causes from funnelproof.window_run
where tenant_id = $1 and pipeline_id = $2 and window_name = '3s' and window_start = $3
order by revision
"""
CLOSED = "select exists (select from funnelproof.window_run where tenant_id = $1 and window_start = $2)"


async def test_each_kind_of_change_is_counted_within_seconds_and_makes_a_revision_of_a_closed_window_with_its_cause(
    installation: Installation,
) -> None:
    """A change that nets to nothing makes no revision. The hour is open all the time: its counts are live."""
    connection, funnels = installation.connection, {name: Funnel() for name in CHANGES}
    tenants = [funnel.tenant for funnel in funnels.values()]
    for funnel in funnels.values():
        await funnel.create(connection)
    await installation.proven()
    start = await installation.next_window()
    for funnel in funnels.values():
        await funnel.enter_two_deals(connection, start)
    await installation.right(*tenants, seconds=5)
    for tenant in tenants:
        await installation.wait_until(CLOSED, tenant, start)
    await installation.right(*tenants)
    for name, funnel in funnels.items():
        await funnel.change(connection, CHANGES[name].statements)
    await installation.right(*tenants, seconds=5)
    await installation.proven()
    for name, funnel in funnels.items():
        runs = await connection.fetch(RUNS, funnel.tenant, funnel.pipeline, start)
        expected = [(1, ()), *([(2, CHANGES[name].causes)] if CHANGES[name].causes else [])]
        assert [(run["revision"], tuple(run["causes"])) for run in runs] == expected, name
    await installation.right(*tenants)


async def test_an_entry_is_in_the_live_counts_within_a_second_of_its_commit(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    seconds = []
    for number in range(20):
        await funnel.enter(connection, uuid4(), "a", await installation.now())
        committed = time.monotonic()
        await installation.wait_until(
            "select sum(entered_count) = $3 from dyno_crm.stage_conversion_live "
            "where tenant_id = $1 and from_stage_id = $2 and window_name = '1h'",
            *(funnel.tenant, funnel.ids["a"], number + 1),
        )
        seconds.append(time.monotonic() - committed)
        await asyncio.sleep(0.03)
    assert sorted(seconds)[18] < 1.0, seconds


async def test_a_truncate_empties_every_window_and_revises_the_closed_ones(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    start = await installation.next_window()
    await funnel.enter_two_deals(connection, start)
    await installation.wait_until(CLOSED, funnel.tenant, start)
    await connection.execute("truncate dyno_crm.deal_pipeline_stage_state")
    await installation.proven()
    await installation.right(funnel.tenant)
    for view in ("stage_conversion_live", "stage_conversion_current"):
        assert await connection.fetchval(f"select sum(entered_count) from dyno_crm.{view}") == 0  # noqa: S608 - ours
    runs = await connection.fetch(RUNS, funnel.tenant, funnel.pipeline, start)
    assert [(run["revision"], run["causes"]) for run in runs] == [(1, []), (2, ["delete"])]
