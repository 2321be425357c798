"""`funnelproof reconcile` beside a running worker: it finds what is different, and nothing else."""

import asyncio

import pytest

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation
from tests.integration.stream.writing import keep_writing

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
async def funnel(installation: Installation) -> Funnel:
    """One whose first window with entries is closed."""
    funnel = Funnel()
    await funnel.create(installation.connection)
    await installation.proven()
    start = await installation.next_window()
    await funnel.enter_two_deals(installation.connection, start)
    await installation.wait_until(
        "select exists (select from dyno_crm.stage_conversion_current "
        "where tenant_id = $1 and window_name = '3s' and entered_count = 2)",
        funnel.tenant,
    )
    return funnel


async def test_a_fact_that_was_edited_by_hand_is_named_and_nothing_else(
    installation: Installation, funnel: Funnel
) -> None:
    status, found = await asyncio.to_thread(installation.reconcile)
    assert (status, found["outcome"], found["differences"]) == (0, "equal", [])
    assert found["runs"] > 1
    fact = await installation.connection.fetchrow(
        "select * from dyno_crm.stage_conversion_current "
        "where tenant_id = $1 and window_name = '3s' and from_stage = 'a' and entered_count = 2",
        funnel.tenant,
    )
    assert fact is not None
    await installation.connection.execute(
        "update dyno_crm.report_stage_conversion_fact set entered_count = 3 "
        "where run_id = $1 and from_stage_id = $2",
        *(fact["run_id"], fact["from_stage_id"]),
    )
    status, found = await asyncio.to_thread(installation.reconcile)
    assert (status, found["outcome"]) == (1, "different")
    assert found["differences"] == [
        {
            "tenant_id": str(funnel.tenant),
            "pipeline_id": str(funnel.pipeline),
            "window": "3s",
            "window_start": fact["window_start"].isoformat(),
            "window_end": fact["window_end"].isoformat(),
            "revision": 1,
            "run_id": str(fact["run_id"]),
            "from_stage_id": str(funnel.ids["a"]),
            "to_stage_id": str(funnel.ids["b"]),
            "fact": {"entered": 3, "converted": 2},
            "sql": {"entered": 2, "converted": 2},
        }
    ]
    for_people = await asyncio.to_thread(installation.run, "reconcile", "--tenant", str(funnel.tenant))
    assert for_people.returncode == 1
    for word in (funnel.tenant, funnel.pipeline, fact["window_start"].isoformat(), "a -> b"):
        assert str(word) in for_people.stdout
    await installation.connection.execute(
        "update dyno_crm.report_stage_conversion_fact set entered_count = 2 "
        "where run_id = $1 and from_stage_id = $2",
        *(fact["run_id"], fact["from_stage_id"]),
    )
    status, _ = await asyncio.to_thread(installation.reconcile)
    assert status == 0


@pytest.mark.thorough
async def test_writes_and_corrections_that_go_on_meanwhile_are_no_differences(
    installation: Installation,
) -> None:
    busy = Funnel()  # the other tests' funnel stays as it is
    await busy.create(installation.connection)
    async with keep_writing(installation, [busy]) as writing:
        await asyncio.sleep(4)
        for _ in range(2):
            _, found = await asyncio.to_thread(installation.reconcile)
            assert found["differences"] == []
        assert writing.transactions > 200
        assert writing.corrections > 20
    await installation.proven()
    assert await installation.connection.fetchval("select max(revision) from funnelproof.window_run") > 1
    await installation.right(busy.tenant)
    status, _ = await asyncio.to_thread(installation.reconcile)
    assert status == 0


async def test_a_run_that_was_deleted_is_missed(installation: Installation, funnel: Funnel) -> None:
    run_id = await installation.connection.fetchval(
        "select run_id from dyno_crm.stage_conversion_current "
        "where tenant_id = $1 and window_name = '3s' and from_stage = 'a' and entered_count > 0 limit 1",
        funnel.tenant,
    )
    await installation.connection.execute("delete from dyno_crm.report_run where id = $1", run_id)
    status, found = await asyncio.to_thread(installation.reconcile)
    assert (status, found["outcome"]) == (1, "different")
    assert {(difference["run_id"], difference["fact"]) for difference in found["differences"]} == {
        (None, None)
    }
