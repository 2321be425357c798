"""Metrics and health of a process of reconciliation on a real report database, with no worker beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from streams.listening import address_of, listen
from streams.operations.reconcile_metrics import ReconcileMetrics
from streams.operations.reconcile_site import serve_job
from streams.reconciliation import Job
from streams.settings import Settings
from tests.integration.closing.conftest import Desk
from tests.line import Line
from tests.unit.operations.scrapes import shown

PREFIX = "funnelproof_reconciliation"


@dataclass
class Process:
    """A job with its site, and its line to the report database."""

    client: httpx.AsyncClient
    job: Job
    metrics: ReconcileMetrics
    line: Line

    async def scrape(self) -> dict[str, float]:
        await self.client.get("/metrics")
        return shown(self.metrics.registry)

    async def failed(self) -> None:
        """Wait until a round has failed."""
        async with asyncio.timeout(30):
            while not (await self.scrape())[f"{PREFIX}_rounds_total['failed']"]:
                await asyncio.sleep(0.05)


@pytest.fixture
async def process(database: str, desk: Desk) -> AsyncIterator[Process]:
    await desk.close(60 * 3)
    line = Line(database)
    await line.mend()
    settings = Settings(source_dsn=line.address, kafka="127.0.0.1:9")
    metrics = ReconcileMetrics()
    job = Job(settings, timedelta(minutes=15), metrics.count_round)
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(listen("127.0.0.1", 0))
        await stack.enter_async_context(serve_job(listening, settings, job, metrics))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=address_of(listening)))
        yield Process(client, job, metrics, line)
    line.cut()


async def test_a_job_that_has_not_begun_stands_by_and_shows_the_ledger(process: Process) -> None:
    samples = await process.scrape()
    assert samples[f"{PREFIX}_comparing"] == 0
    assert samples[f"{PREFIX}_cycle_seconds"] == 900
    assert samples["funnelproof_windows_never_compared"] == 3
    assert samples["funnelproof_windows_uncompared_age_seconds"] > 0
    answer = await process.client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "standby")


async def test_a_job_without_a_worker_fails_and_says_why(process: Process) -> None:
    running = asyncio.create_task(process.job.run())
    await process.failed()
    assert (await process.scrape())[f"{PREFIX}_comparing"] == 1
    answer = await process.client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert "closed windows cannot be compared" in answer.json()["reasons"][0]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_without_an_answer_of_postgres_the_ledger_is_absent(process: Process) -> None:
    process.line.cut()
    assert "funnelproof_windows_never_compared" not in await process.scrape()
    answer = await process.client.get("/healthz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["the report database gives no answer"])
    await process.line.mend()
    assert (await process.scrape())["funnelproof_windows_never_compared"] == 3
