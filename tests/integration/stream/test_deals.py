"""A deal is shown by the worker that holds it, whichever is asked."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker
from tests.standing_still import stopped

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(180)]

ROWS = """
select id, tenant_id, pipeline_id, pipeline_stage_id, entered_at
from dyno_crm.deal_pipeline_stage_state where deal_id = $1
"""
SHARED = """
select count(distinct worker) = 2 and min(flushed_at) > clock_timestamp() - interval '3 s'
from funnelproof.partition_progress
"""


@pytest.fixture
async def installation(install: Install) -> AsyncIterator[Installation]:
    """With two workers, whose sessions are longer than the requests that Faust waits for by itself."""
    async with install(WINDOWS="hour,day", LOG_FORMAT="json", SESSION_TIMEOUT="20m") as installation:
        installation.start_worker()
        await installation.wait_until_folding()
        installation.start_worker()
        await installation.wait_until(SHARED, seconds=30)
        yield installation


def address(worker: Worker) -> str:
    """Return the URL of a worker's site."""
    (url,) = [line["url"] for line in map(json.loads, worker.log(1000).splitlines()) if "url" in line]
    return str(url)


async def rows_in_the_crm(installation: Installation, deal: UUID) -> set[tuple[object, ...]]:
    return {tuple(row) for row in await installation.connection.fetch(ROWS, deal)}


def rows_shown(shown: dict[str, Any]) -> set[tuple[object, ...]]:
    columns = ("row_id", "tenant_id", "pipeline_id", "stage_id")
    return {
        (*(UUID(row[column]) for column in columns), datetime.fromisoformat(row["entered_at"]))
        for row in shown["rows"]
        if not row["deleted"]
    }


async def test_either_worker_leads_to_a_deals_rows_and_says_what_it_cannot_tell(
    installation: Installation,
) -> None:
    connection, funnel = installation.connection, Funnel()
    await funnel.create(connection)
    now = await installation.now()
    await funnel.enter_two_deals(connection, now)
    deals = [funnel.ids["deal_1"], funnel.ids["deal_2"], *(uuid4() for _ in range(14))]
    for deal in deals[2:]:
        await funnel.enter(connection, deal, "a", now - timedelta(days=2))
    await funnel.change(connection, "delete from :rows where id = :e2b")
    await installation.proven()

    held: set[str] = set()
    async with AsyncExitStack() as stack:
        sites = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=address(worker), trust_env=False))
            for worker in installation.workers
        ]
        for deal in deals:
            first, second = [await site.get(f"/deals/{deal}") for site in sites]
            has, other = (first, second) if first.status_code == 200 else (second, first)
            assert (has.status_code, other.status_code) == (200, 307)
            assert other.headers["Location"] == str(has.url)
            assert rows_shown(has.json()) == await rows_in_the_crm(installation, deal)
            held.add(str(has.url.copy_with(raw_path=b"")))
        assert len(held) == 2

        shown = (await sites[0].get(f"/deals/{funnel.ids['deal_2']}", follow_redirects=True)).json()
        assert [row["row_id"] for row in shown["rows"] if row["deleted"]] == [str(funnel.ids["e2b"])]
        assert {window["window"] for window in shown["first_entries"]} == {"hour", "day"}
        stages = shown["first_entries"][0]["stages"]
        assert [stage["stage_id"] for stage in stages] == [str(funnel.ids[stage]) for stage in "ac"]

        unknown = f"/deals/{uuid4()}"
        assert [(await site.get(unknown)).status_code for site in sites] == [404, 404]
        with stopped(installation.workers[1].process.pid):
            answer = await sites[0].get(unknown)
        assert answer.status_code == 503
        assert f"no answer from {address(installation.workers[1])}" in answer.json()["error"]
