"""The answers of a process of reconciliation on its own web site: metrics and health."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from streams.operations.exposition import exposed
from streams.operations.reconcile_metrics import ReconcileMetrics, ReconcileReading, read_job
from streams.operations.serving import ANSWER_SECONDS, judged, serve
from streams.reconciliation import Job, LedgerReading, read_ledger
from streams.settings import Settings
from streams.store.database import STATEMENT_SECONDS, Pool, close_soon, create_pool, facts_setting
from streams.store.keep_trying import PASSING_ERRORS


@asynccontextmanager
async def serve_job(
    listening: socket.socket, settings: Settings, job: Job, metrics: ReconcileMetrics
) -> AsyncIterator[None]:
    """Serve metrics and health of `job` on a listening socket for the length of an `async with` block."""
    report = await create_pool(
        settings.facts_dsn,
        facts_setting(settings),
        min_size=0,
        max_size=1,
        application_name=f"{settings.instance} reconcile metrics",
        command_timeout=STATEMENT_SECONDS,
    )
    try:
        pages = JobPages(job, report, metrics)
        async with serve(listening, "reconcile", pages.metrics, pages.health):
            yield
    finally:
        await close_soon(report)


class JobPages:
    """The site's answers."""

    def __init__(self, job: Job, report: Pool, metrics: ReconcileMetrics) -> None:
        self._job = job
        self._report = report
        self._metrics = metrics

    async def metrics(self, request: web.Request) -> web.Response:
        """Return all metrics in the form that the client asks for."""
        self._metrics.reading = await self._read()
        return exposed(self._metrics.registry, request)

    async def health(self, _: web.Request) -> web.Response:
        """Return 200 while the process compares or stands by, else 503 and the reason."""
        reading = await self._read()
        working = "standby" if reading.lag is None else "ok"
        return judged(troubles(reading), warnings(reading), working, comparing=reading.lag is not None)

    async def _read(self) -> ReconcileReading:
        return read_job(self._job, await self._ledger(), time.monotonic())

    async def _ledger(self) -> LedgerReading | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await read_ledger(self._report)
        except PASSING_ERRORS:
            return None


def troubles(now: ReconcileReading) -> Sequence[str]:
    """Return the reasons why a process does not compare, a line each."""
    if now.trouble is not None:
        return [f"closed windows cannot be compared: {now.trouble}"]
    return [] if now.ledger is not None else ["the report database gives no answer"]


def warnings(now: ReconcileReading) -> Sequence[str]:
    """Return a line about every part to look at although the process does its work."""
    found = []
    if now.ledger is not None and now.ledger.different:
        found.append(
            f"{now.ledger.different} closed windows differ from the canonical SQL: `funnelproof reconcile` shows where"
        )
    if now.lag is not None and now.lag > now.cycle:
        found.append(f"the last round that compared everything due is late by {now.lag:.0f} s: see the log")
    return found
