"""`funnelproof revise` and FUNNELPROOF_STAGE_PAIRS beside a running worker."""

import asyncio
import json
from uuid import uuid4

import pytest

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

pytestmark = pytest.mark.timeout(120)


async def test_closed_windows_are_published_with_the_pairs_of_now_when_a_user_asks_for_it(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    start = await installation.next_window()
    await funnel.enter_two_deals(connection, start)
    closed = (
        "select exists (select from dyno_crm.stage_conversion_current "
        "where pipeline_id = $1 and window_name = '3s' and entered_count = 2 and window_start = $2)"
    )
    await installation.wait_until(closed, funnel.pipeline, start)
    await connection.execute("delete from dyno_crm.pipeline_stage where id = $1", funnel.ids["b"])
    pairs = "select array_agg(distinct from_stage || to_stage) = $3 from {} where pipeline_id = $1 and {}"
    live = pairs.format("dyno_crm.stage_conversion_live", "window_start >= $2")
    await installation.wait_until(live, funnel.pipeline, start, ["ac"])
    later = await installation.next_window()
    closed_later = pairs.format("dyno_crm.stage_conversion_current", "window_start = $2")
    await installation.wait_until(closed_later, funnel.pipeline, later, ["ac"])
    kept = (
        "select count(*) from dyno_crm.stage_conversion_current where pipeline_id = $1 and window_start = $2"
    )
    assert await connection.fetchval(kept, funnel.pipeline, start) == 2
    command = ("revise", "--json", "--from", start.isoformat(), "--to", "2100-01-01", "--window", "3s")
    scope = ("--tenant", str(funnel.tenant), "--pipeline", str(funnel.pipeline))
    done = await asyncio.to_thread(installation.run, *command, *scope)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["revised"] == told["requested"] > 0
    facts = await connection.fetch(
        "select from_stage_id, to_stage_id, entered_count, converted_count, revision "
        "from dyno_crm.stage_conversion_current "
        "where pipeline_id = $1 and window_name = '3s' and window_start = $2",
        funnel.pipeline,
        start,
    )
    assert [tuple(row) for row in facts] == [(funnel.ids["a"], funnel.ids["c"], 2, 1, 2)]
    causes = "select causes from funnelproof.window_run where pipeline_id = $1 and window_start = $2 and revision = 2"
    assert await connection.fetchval(causes, funnel.pipeline, start) == ["pairs_changed"]
    again = await asyncio.to_thread(installation.run, *command, *scope)
    assert json.loads(again.stdout)["requested"] == 0
    status, found = await asyncio.to_thread(installation.reconcile)
    assert (status, found["outcome"]) == (0, "equal")


async def test_a_worker_is_told_what_is_wrong_with_its_pairs_before_it_starts(
    installation: Installation,
) -> None:
    pipeline = f"{uuid4()}/{uuid4()}"
    installation.environment["FUNNELPROOF_STAGE_PAIRS"] = json.dumps(
        {pipeline: [[str(uuid4()), str(uuid4())]]}
    )
    try:
        refused = await asyncio.to_thread(installation.run, "worker")
        assert refused.returncode == 2
        assert "runs with other FUNNELPROOF_STAGE_PAIRS" in refused.stderr
    finally:
        del installation.environment["FUNNELPROOF_STAGE_PAIRS"]
