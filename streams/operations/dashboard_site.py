"""Metrics and health of a dashboard: on the page's own port, and on a web site beside the page.

The page's own port is for people, behind the gate; metrics and health are answered there without a sign-in, and tell
of no tenant. Where the page's port is open to more people than should see the two, a proxy keeps the paths back, and
monitoring asks the site beside, as for every other process.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from aiohttp import web
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from streams.operations.dashboard_metrics import DashboardMetrics, DashboardReading
from streams.operations.exposition import encoded, exposed
from streams.operations.serving import ANSWER_SECONDS, judgement, serve
from streams.web.database import Database
from streams.web.errors import SilentDatabaseError
from streams.web.feed import Feed
from streams.web.freshness import health_of
from streams.web.gate import Gate, OpenGate
from streams.web.headers import FRESH as FRESH_ANSWER
from streams.web.model import Health
from streams.web.scope import EVERYTHING

FRESH = frozenset({"live", "loading", "unknown"})
"""The states of the numbers that are no reason to look."""


def serve_dashboard(
    listening: socket.socket, site: FastAPI, metrics: DashboardMetrics
) -> AbstractAsyncContextManager[None]:
    """Serve metrics and health of `site` on a listening socket for the length of an `async with` block.

    The site itself, which has not started yet, gets the two pages, too.
    """
    pages = DashboardPages(site, metrics)
    site.add_api_route("/metrics", pages.metrics_of_page, include_in_schema=False)
    site.add_api_route("/healthz", pages.health_of_page, include_in_schema=False)
    return serve(listening, "dashboard", pages.metrics, pages.health)


async def _require_known_name(request: Request) -> None:
    """Raise WrongHostError where the page of this machine alone is asked under a name that is not the page's."""
    gate: Gate = request.app.state.gate
    if isinstance(gate, OpenGate):
        await gate.scope(request)


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
        """Return the metrics in the client's form."""
        self._metrics.reading = await self._read()
        return exposed(self._metrics.registry, request)

    async def metrics_of_page(self, request: Request) -> Response:
        """Return the same on the page's own port."""
        await _require_known_name(request)
        self._metrics.reading = await self._read()
        body, form = encoded(self._metrics.registry, request.headers.get("Accept", ""))
        return Response(body, headers={"Content-Type": form} | FRESH_ANSWER)

    async def health(self, _: web.Request) -> web.Response:
        """Return 200 while the page can read the report database, else 503 and the reason."""
        body, status = await self._judge()
        return web.json_response(body, status=status)

    async def health_of_page(self, request: Request) -> Response:
        """Return the same on the page's own port."""
        await _require_known_name(request)
        body, status = await self._judge()
        return JSONResponse(body, status, FRESH_ANSWER)

    async def _judge(self) -> tuple[dict[str, object], int]:
        if self._feed is None:
            return judgement((), (), "starting", followers=0)
        try:
            health, reasons = await self._ask(), []
        except SilentDatabaseError as error:
            health, reasons = None, [str(error)]
        concerns = [] if health is None or health.state in FRESH else [health.message]
        return judgement(reasons, concerns, followers=self._feed.followers)

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
