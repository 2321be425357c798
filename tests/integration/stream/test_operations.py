"""A worker's web site and log, as an operator meets them."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import PATIENCE, Installation, Worker
from tests.line import Line
from tests.standing_still import stopped

pytestmark = pytest.mark.timeout(180)

ROWS = """
select id, tenant_id, pipeline_id, pipeline_stage_id, entered_at
from dyno_crm.deal_pipeline_stage_state where deal_id = $1
"""
SHARED = """
select count(distinct worker) = 2 and min(flushed_at) > clock_timestamp() - interval '3 s'
from funnelproof.partition_progress
"""


@dataclass
class Watched:
    """An installation with one worker, its site, and its line to Postgres."""

    installation: Installation
    site: httpx.AsyncClient
    line: Line

    async def metric(self, name: str, **labels: str) -> float:
        """Scrape, and return one sample, or the sum of those that have these labels."""
        text = (await self.site.get("/metrics")).text
        found = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"funnelproof_{name}" and labels.items() <= sample.labels.items()
        ]
        assert found, f"no {name} {labels} in\n{text}"
        return sum(found)

    async def health_is(self, status: int, reason: str = "") -> list[str]:
        """Wait until health has this status, and a reason with these words; return the reasons."""
        deadline = time.monotonic() + PATIENCE
        while (answer := await self.site.get("/healthz")).status_code != status or reason not in answer.text:
            assert time.monotonic() < deadline, f"{answer.text}\n{self.installation.evidence()}"
            await asyncio.sleep(0.1)
        reasons: list[str] = answer.json()["reasons"]
        return reasons


@pytest.fixture(scope="module")
async def watched(install: Install) -> AsyncIterator[Watched]:
    query = "select 'tenant' as kind, gen_random_uuid() as id"  # a mistake: no column `name`
    settings = {"LOG_FORMAT": "json", "LABELS_SQL": query, "SESSION_TIMEOUT": "20m"}
    async with install(WINDOWS="3s,1h", **settings) as installation:
        line = Line(installation.settings.source_dsn)
        await line.mend()
        installation.environment["FUNNELPROOF_SOURCE_DSN"] = line.address
        worker = installation.start_worker()
        await installation.wait_until_folding()
        async with httpx.AsyncClient(base_url=address(worker)) as site:
            yield Watched(installation, site, line)
        line.cut()


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


@pytest.mark.thorough
async def test_either_of_two_workers_leads_to_a_deals_rows_and_says_what_it_cannot_tell(
    watched: Watched,
) -> None:
    """A deal is shown by the worker that holds it, whichever is asked.

    The workers' sessions are longer than the requests that Faust waits for by itself.
    """
    installation, funnel = watched.installation, Funnel()
    connection, second = installation.connection, installation.start_worker()
    await installation.wait_until(SHARED, seconds=30)
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
            has, other = [await site.get(f"/deals/{deal}") for site in sites]
            if has.status_code != 200:
                has, other = other, has
            assert (has.status_code, other.status_code) == (200, 307)
            assert other.headers["Location"] == str(has.url)
            assert rows_shown(has.json()) == await rows_in_the_crm(installation, deal)
            held.add(str(has.url.copy_with(raw_path=b"")))
        assert len(held) == 2

        shown = (await sites[0].get(f"/deals/{funnel.ids['deal_2']}", follow_redirects=True)).json()
        assert [row["row_id"] for row in shown["rows"] if row["deleted"]] == [str(funnel.ids["e2b"])]
        assert {window["window"] for window in shown["first_entries"]} == {"3s", "1h"}
        stages = shown["first_entries"][0]["stages"]
        assert [stage["stage_id"] for stage in stages] == [str(funnel.ids[stage]) for stage in "ac"]

        unknown = f"/deals/{uuid4()}"
        assert [(await site.get(unknown)).status_code for site in sites] == [404, 404]
        with stopped(second.process.pid):
            answer = await sites[0].get(unknown)
        assert answer.status_code == 503
        assert f"no answer from {address(second)}" in answer.json()["error"]
    assert await second.stop() == 0
    await installation.proven()


async def test_metrics_grow_with_what_is_written_and_closed(watched: Watched) -> None:
    installation, funnel = watched.installation, Funnel()
    records = await watched.metric("records_total", effect="changed")
    deals = await watched.metric("deals")
    windows = await watched.metric("windows_closed_total")
    await funnel.create(installation.connection)
    start = await installation.next_window()
    await funnel.enter_two_deals(installation.connection, start)
    await installation.proven()
    await installation.wait_until(
        "select count(*) > 0 from dyno_crm.stage_conversion_current where window_start >= $1", start
    )
    async with asyncio.timeout(10):  # until the worker, too, knows that its transaction has ended
        while await watched.metric("window_overdue_seconds"):
            await asyncio.sleep(0.05)
    assert await watched.metric("records_total", effect="changed") == records + 5
    assert await watched.metric("deals") == deals + 2
    assert await watched.metric("windows_closed_total") > windows
    assert await watched.metric("runs_published_total", kind="first") > 0
    assert await watched.metric("flushed_counts_total") > 0
    assert await watched.metric("flush_duration_seconds_count") > 0
    for part in ("barrier", "marker", "progress", "publish"):
        assert await watched.metric("proof_duration_seconds_count", part=part) > 0
    assert await watched.metric("proofs_total", completeness="estimated") == 0
    assert await watched.metric("partitions", state="active") == 4
    assert await watched.metric("partition_lag_records") == 0
    now = (await installation.now()).timestamp()
    assert now - 5 < await watched.metric("proven_until_timestamp_seconds") <= now


async def test_a_bad_query_for_labels_is_counted_and_shown_and_the_worker_goes_on(watched: Watched) -> None:
    installation = watched.installation
    await installation.wait_until("select trouble is not null from funnelproof.label_look")
    assert await watched.metric("label_failures_total") >= 1
    assert await watched.health_is(200) == []
    shown = await asyncio.to_thread(installation.run, "status")
    assert shown.returncode == 0
    told = " ".join(shown.stdout.split())
    assert "0 names; FUNNELPROOF_LABELS_SQL: column label.name does not exist" in told
    assert "- compared no closed window was compared with the canonical SQL yet" in told
    await installation.proven()


@pytest.mark.thorough
async def test_health_fails_while_postgres_is_away_and_recovers(watched: Watched) -> None:
    assert await watched.health_is(200) == []
    failed = await watched.metric("flushes_total", result="failed")
    watched.line.cut()
    try:
        await watched.health_is(503, "Postgres does not take the flush")
        assert await watched.metric("postgres_up") == 0
        await asyncio.sleep(4)  # the present window of three seconds ends without a close
        assert await watched.metric("window_overdue_seconds") > 0
    finally:
        await watched.line.mend()
    await watched.health_is(200)
    assert await watched.metric("postgres_up") == 1
    assert await watched.metric("flushes_total", result="failed") > failed
    await watched.installation.proven()
    assert await watched.metric("window_overdue_seconds") < 3


async def test_a_port_that_is_taken_is_said_at_once(watched: Watched) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await asyncio.to_thread(watched.installation.run, "worker", "--web-port", str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"funnelproof: the web site cannot listen on 127.0.0.1 port {port}")
    assert done.stderr.count("\n") == 1


async def test_of_a_json_log_every_line_is_one_object_to_the_end(watched: Watched) -> None:
    worker = watched.installation.workers[0]
    assert await worker.stop() == 0
    lines = [json.loads(line) for line in worker.log(100_000).splitlines()]  # stdout and stderr
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    assert any("trying again" in line["event"] for line in lines)
