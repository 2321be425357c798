"""The worker's web site: `/metrics` for Prometheus, `/healthz` for supervisors of processes, `/deals` for people."""

import socket
import time
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web
from mode import Service

from streams.listening import address_of
from streams.operations.deals import Holder, Peers, show_deal
from streams.operations.exposition import exposed
from streams.operations.health import troubles, warnings
from streams.operations.metrics import Metrics
from streams.operations.reading import Reading
from streams.operations.surroundings import Surroundings
from streams.operations.watch import read
from streams.worker import Worker

log = structlog.get_logger(__name__)

STOP_SECONDS = 1.0
"""The most seconds for which a worker that stops waits for answers under way."""


class Site(Service):  # type: ignore[misc]  # mode has no types
    """Serves a worker's pages on a listening socket; starts before the worker, and stops after the worker."""

    mundane_level = "debug"

    def __init__(
        self,
        listening: socket.socket,
        worker: Worker,
        peers: Peers,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._socket = listening
        self._pages = Pages(worker, peers, metrics, clock)

    async def on_start(self) -> None:
        """Begin to answer, and log the address."""
        self._runner = web.AppRunner(
            self._pages.application(), access_log=None, shutdown_timeout=STOP_SECONDS
        )
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        log.info("web", url=address_of(self._socket))

    async def on_stop(self) -> None:
        """Close the socket."""
        await self._runner.cleanup()


class Pages:
    """The site's answers. `clock` is `time.monotonic`."""

    def __init__(self, worker: Worker, peers: Peers, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._worker = worker
        self._peers = peers
        self._metrics = metrics
        self._clock = clock
        self._surroundings = Surroundings(worker.settings)

    def application(self) -> web.Application:
        """Return the pages as an aiohttp application."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self.index),
                web.get("/metrics", self.metrics),
                web.get("/healthz", self.health),
                web.get("/deals/{deal_id}", self.deal),
            ]
        )
        return application

    async def index(self, _: web.Request) -> web.Response:
        """List the pages."""
        return web.Response(
            text=f"funnelproof worker {self._worker.name}\n\n/metrics\n/healthz\n/deals/<deal id>\n"
        )

    async def deal(self, request: web.Request) -> web.Response:
        """Show a deal, or redirect to the worker that has the deal."""
        running = self._worker.running
        holder = None if running is None else Holder(running.processor, running.epoch, self._peers)
        return await show_deal(holder, request)

    async def metrics(self, request: web.Request) -> web.Response:
        """Return all metrics in the form that the client asks for."""
        self._metrics.reading = await read(self._worker, self._clock(), ask_kafka=True)
        return exposed(self._metrics.registry, request)

    async def health(self, _: web.Request) -> web.Response:
        """Return 200 while the worker does its work and the results are right, else 503 and the reasons.

        With 200, `starting` means that the worker joins the group or replays the log, `degraded` that a defect should
        be mended.
        """
        now = self._clock()
        reading = await read(self._worker, now)
        if self._worker.running is not None:
            reading = await self._surroundings.add_to(reading, self._worker.running, now)
        reasons, concerns = troubles(reading), warnings(reading)
        return web.json_response(
            {
                "status": _status(reading, reasons, concerns),
                "reasons": reasons,
                "warnings": concerns,
                "worker": self._worker.name,
                "joined": reading.joining is None,
                "partitions": sorted(reading.partitions),
                "replaying": reading.replaying,
                "prover": reading.unproven is not None,
            },
            status=503 if reasons else 200,
        )


def _status(reading: Reading, reasons: Sequence[str], concerns: Sequence[str]) -> str:
    if reasons:
        return "failing"
    if reading.starting:
        return "starting"
    return "degraded" if concerns else "ok"
