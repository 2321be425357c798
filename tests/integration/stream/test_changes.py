"""Every kind of change to the CRM's rows, in open and in closed windows, held against the canonical SQL.

The windows are of 3 seconds, which close while a test runs, and of an hour, which stay open:

    3s  |----W----|---------|---------|      two deals enter in W; once it is closed, they are changed
    1h  |----------------------------- ..
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
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


@pytest.fixture(scope="module")
async def open_funnels(installation: Installation) -> dict[str, Funnel]:
    """A funnel for each change, with nothing in it."""
    return await _create(installation)


@dataclass(frozen=True)
class Closed:
    """Funnels whose deals entered in a window that closed before they were changed."""

    window_start: datetime
    funnels: dict[str, Funnel]


@pytest.fixture(scope="module")
async def changed_after_close(installation: Installation) -> Closed:
    connection = installation.connection
    funnels = await _create(installation)
    start = await installation.next_window()
    for funnel in funnels.values():
        await funnel.enter_two_deals(connection, start)
    for funnel in funnels.values():
        await installation.wait_until(CLOSED, funnel.tenant, start)
        await installation.right(funnel.tenant)
    for name, funnel in funnels.items():
        await funnel.change(connection, CHANGES[name].statements)
    await installation.proven()
    return Closed(start, funnels)


async def _create(installation: Installation) -> dict[str, Funnel]:
    funnels = {name: Funnel() for name in CHANGES}
    for funnel in funnels.values():
        await funnel.create(installation.connection)
    await installation.proven()
    return funnels


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_is_in_the_live_counts_within_seconds(
    installation: Installation, open_funnels: dict[str, Funnel], name: str
) -> None:
    funnel = open_funnels[name]
    await funnel.enter_two_deals(installation.connection, await installation.now())
    await installation.right(funnel.tenant, seconds=5)
    await funnel.change(installation.connection, CHANGES[name].statements)
    await installation.right(funnel.tenant, seconds=5)


@pytest.mark.parametrize("name", [name for name, change in CHANGES.items() if change.causes])
async def test_a_change_of_a_closed_window_makes_one_revision_that_names_its_cause(
    installation: Installation, changed_after_close: Closed, name: str
) -> None:
    funnel = changed_after_close.funnels[name]
    runs = await installation.connection.fetch(
        RUNS, funnel.tenant, funnel.pipeline, changed_after_close.window_start
    )
    assert [(run["revision"], tuple(run["causes"])) for run in runs] == [(1, ()), (2, CHANGES[name].causes)]
    await installation.right(funnel.tenant)


@pytest.mark.parametrize("name", [name for name, change in CHANGES.items() if not change.causes])
async def test_a_change_of_a_closed_window_that_nets_to_nothing_makes_no_revision(
    installation: Installation, changed_after_close: Closed, name: str
) -> None:
    funnel = changed_after_close.funnels[name]
    runs = await installation.connection.fetch(
        RUNS, funnel.tenant, funnel.pipeline, changed_after_close.window_start
    )
    assert [run["revision"] for run in runs] == [1]
    await installation.right(funnel.tenant)


async def test_an_entry_is_in_the_live_counts_within_a_second_of_its_commit(
    installation: Installation,
) -> None:
    connection = installation.connection
    funnel = Funnel()
    await funnel.create(connection)
    await installation.proven()
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
    installation: Installation,
) -> None:
    connection = installation.connection
    funnel = Funnel()
    await funnel.create(connection)
    await installation.proven()
    start = await installation.next_window()
    await funnel.enter_two_deals(connection, start)
    await installation.wait_until(CLOSED, funnel.tenant, start)
    await connection.execute("truncate dyno_crm.deal_pipeline_stage_state")
    await installation.proven()
    await installation.right()
    for view in ("stage_conversion_live", "stage_conversion_current"):
        assert await connection.fetchval(f"select sum(entered_count) from dyno_crm.{view}") == 0  # noqa: S608 - ours
    runs = await connection.fetch(RUNS, funnel.tenant, funnel.pipeline, start)
    assert [(run["revision"], run["causes"]) for run in runs] == [(1, []), (2, ["delete"])]
