"""The answers of a process of alerts on its own web site: metrics and health."""

import asyncio
import socket
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from streams.alerts.overview import Overview
from streams.alerts.service import AlertService
from streams.operations.alert_metrics import AlertMetrics, AlertReading, read_alerts
from streams.operations.exposition import exposed
from streams.operations.serving import ANSWER_SECONDS, judged
from streams.operations.serving import serve as serve_pages
from streams.store.keep_trying import PASSING_ERRORS

SILENT_SECONDS = 30.0
"""The most seconds of a look, or of a look whether another process evaluates."""


def serve(
    listening: socket.socket, service: AlertService, metrics: AlertMetrics
) -> AbstractAsyncContextManager[None]:
    """Serve the pages of a process on a listening socket for the length of an `async with` block."""
    pages = AlertPages(service, metrics)
    return serve_pages(listening, "alerts", pages.metrics, pages.health)


class AlertPages:
    """The site's answers."""

    def __init__(self, service: AlertService, metrics: AlertMetrics) -> None:
        self._service = service
        self._metrics = metrics

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the metrics in the client's form."""
        self._metrics.reading = read_alerts(self._service, await self._overview(), time.monotonic())
        return exposed(self._metrics.registry, request)

    async def health(self, _: web.Request) -> web.Response:
        """Return 200 while the process evaluates or stands by, else 503 and the reasons."""
        reading = read_alerts(self._service, None, time.monotonic())
        working = "ok" if reading.is_active else "standby"
        return judged(troubles(reading), warnings(reading), working, active=reading.is_active)

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
    """Return a line about every part to mend although the process does its work."""
    held = [] if now.held is None else [f"nothing is decided: {now.held}"]
    return [*held, *(f"the former rules hold: {mistake}" for mistake in now.broken)]
