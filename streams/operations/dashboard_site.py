"""The answers of a dashboard on a web site beside the page: metrics and health.

The page's own port is for people, behind the gate. Monitoring has another port, as for every other process.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from aiohttp import web
from fastapi import FastAPI

from streams.operations.dashboard_metrics import DashboardMetrics, DashboardReading
from streams.operations.exposition import exposed
from streams.operations.serving import ANSWER_SECONDS, judged, serve
from streams.web.database import Database
from streams.web.errors import SilentDatabaseError
from streams.web.feed import Feed
from streams.web.freshness import health_of
from streams.web.model import Health
from streams.web.scope import EVERYTHING

FRESH = frozenset({"live", "loading", "unknown"})
"""The states of the numbers that are no reason to look."""


def serve_dashboard(
    listening: socket.socket, site: FastAPI, metrics: DashboardMetrics
) -> AbstractAsyncContextManager[None]:
    """Serve metrics and health of `site` on a listening socket for the length of an `async with` block."""
    pages = DashboardPages(site, metrics)
    return serve(listening, "dashboard", pages.metrics, pages.health)


class DashboardPages:
    """The site's answers. `clock` is `time.monotonic`."""

    def __init__(
        self, site: FastAPI, metrics: DashboardMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._site = site
        self._metrics = metrics
        self._clock = clock
        self._counted_at: float | None = None

    async def metrics(self, request: web.Request) -> web.Response:
        """Return all metrics in the form that the client asks for."""
        self._metrics.reading = await self._read()
        return exposed(self._metrics.registry, request)

    async def health(self, _: web.Request) -> web.Response:
        """Return 200 while the page can read the report database, else 503 and the reason."""
        if self._feed is None:
            return judged((), (), "starting", followers=0)
        try:
            health, reasons = await self._ask(), []
        except SilentDatabaseError as error:
            health, reasons = None, [str(error)]
        concerns = [] if health is None or health.state in FRESH else [health.message]
        return judged(reasons, concerns, followers=self._feed.followers)

    async def _read(self) -> DashboardReading:
        feed = self._feed
        if feed is None:
            return DashboardReading()
        try:
            health = await self._ask()
        except SilentDatabaseError:
            health = None
        now = self._clock()
        if health is not None:
            self._counted_at = None if health.age is None else now - health.age
        age = None if self._counted_at is None else now - self._counted_at
        return DashboardReading(feed.followers, feed.pages, age, health is not None)

    @property
    def _feed(self) -> Feed | None:
        """The feed of a site that has started."""
        feed: Feed | None = getattr(self._site.state, "feed", None)
        return feed

    async def _ask(self) -> Health:
        """Return how fresh the numbers are. Raises SilentDatabaseError without an answer of the report database."""
        database: Database = self._site.state.database
        try:
            async with asyncio.timeout(ANSWER_SECONDS), database.reading(EVERYTHING) as read:
                return health_of(await read.row("pulse"), None)
        except TimeoutError:
            raise SilentDatabaseError(
                f"the report database gives no answer within {ANSWER_SECONDS:.0f} s"
            ) from None
