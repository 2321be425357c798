"""The web site of a process of alerts: `/metrics` for Prometheus, `/healthz` for supervisors of processes."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from streams.alerts.overview import Overview
from streams.alerts.service import AlertService
from streams.listening import address_of
from streams.operations.alert_metrics import AlertMetrics, AlertReading, read_alerts
from streams.operations.exposition import exposed
from streams.store.keep_trying import PASSING_ERRORS

log = structlog.get_logger(__name__)

SILENT_SECONDS = 30.0
"""The most seconds of a look, or of a look whether another process evaluates."""
ANSWER_SECONDS = 2.0
"""The most seconds for which a scrape waits for Postgres."""
STOP_SECONDS = 1.0


@asynccontextmanager
async def serve(
    listening: socket.socket, service: AlertService, metrics: AlertMetrics
) -> AsyncIterator[None]:
    """Serve the pages of a process on a listening socket for the length of an `async with` block."""
    runner = web.AppRunner(
        AlertPages(service, metrics).application(), access_log=None, shutdown_timeout=STOP_SECONDS
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        log.info("web", url=address_of(listening))
        yield
    finally:
        await runner.cleanup()


class AlertPages:
    """The site's answers."""

    def __init__(self, service: AlertService, metrics: AlertMetrics) -> None:
        self._service = service
        self._metrics = metrics

    def application(self) -> web.Application:
        """Return the pages as an aiohttp application."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self.index),
                web.get("/metrics", self.metrics),
                web.get("/healthz", self.health),
            ]
        )
        return application

    async def index(self, _: web.Request) -> web.Response:
        """List the pages."""
        return web.Response(text="funnelproof alerts\n\n/metrics\n/healthz\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """Return all metrics in the form that the client asks for."""
        self._metrics.reading = read_alerts(self._service, await self._overview(), time.monotonic())
        return exposed(self._metrics.registry, request)

    async def health(self, _: web.Request) -> web.Response:
        """Return 200 while the process evaluates or stands by, else 503 and the reasons."""
        reading = read_alerts(self._service, None, time.monotonic())
        reasons, concerns = troubles(reading), warnings(reading)
        working = "degraded" if concerns else "ok" if reading.is_active else "standby"
        return web.json_response(
            {
                "status": "failing" if reasons else working,
                "reasons": reasons,
                "warnings": concerns,
                "active": reading.is_active,
            },
            status=503 if reasons else 200,
        )

    async def _overview(self) -> Overview | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._service.overview()
        except PASSING_ERRORS:
            return None


def troubles(now: AlertReading) -> Sequence[str]:
    """Return the reasons why a process of alerts does not do its work, a line each."""
    if now.trouble is not None:
        return [f"alerts cannot be evaluated: {now.trouble}"]
    if now.silent > SILENT_SECONDS:
        return [f"no look for {now.silent:.0f} s: see the log, and restart the process if it hangs"]
    return []


def warnings(now: AlertReading) -> Sequence[str]:
    """Return what to mend although the process does its work, a line each."""
    held = [] if now.held is None else [f"nothing is decided: {now.held}"]
    return [*held, *(f"the former rules hold: {mistake}" for mistake in now.broken)]
