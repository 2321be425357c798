"""The small web site of a process: `/metrics` for Prometheus, `/healthz` for supervisors of processes."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from streams.listening import address_of

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 2.0
"""The most seconds for which a scrape waits for Postgres."""
STOP_SECONDS = 1.0

Answer = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def serve(
    listening: socket.socket, program: str, metrics: Answer, health: Answer
) -> AsyncIterator[None]:
    """Serve the two pages of `program` on a listening socket for the length of an `async with` block."""

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=f"funnelproof {program}\n\n/metrics\n/healthz\n")

    application = web.Application()
    application.add_routes([web.get("/", index), web.get("/metrics", metrics), web.get("/healthz", health)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        log.info("web", url=address_of(listening))
        yield
    finally:
        await runner.cleanup()


def judged(
    reasons: Sequence[str], warnings: Sequence[str], working: str = "ok", **more: object
) -> web.Response:
    """Return the health as an answer; see `judgement`."""
    body, status = judgement(reasons, warnings, working, **more)
    return web.json_response(body, status=status)


def judgement(
    reasons: Sequence[str], warnings: Sequence[str], working: str = "ok", **more: object
) -> tuple[dict[str, object], int]:
    """Return the health: 503 where `reasons` say why the process does not do its work; else 200, as `working`."""
    status = "failing" if reasons else "degraded" if warnings else working
    body = {"status": status, "reasons": reasons, "warnings": warnings, **more}
    return body, 503 if reasons else 200
