"""`funnelproof reconcile --every`: the job that compares closed windows again and again, with a web site."""

import asyncio
import socket
from datetime import timedelta

import typer

from streams.cli.ending import until_told_to_end
from streams.domain.duration import parse_duration
from streams.listening import listen
from streams.logs import configure_logging
from streams.reconciliation import Job
from streams.settings import Settings
from streams.store.database import facts_connection
from streams.store.installation import require_installation

_SHORTEST = timedelta(seconds=5)


def check_every(every: str) -> timedelta:
    """Return the interval that `--every` names. Raises BadParameter for no interval, and for a too short one."""
    try:
        length = parse_duration(every)
    except ValueError as error:
        raise typer.BadParameter(f"--every: {error}") from error
    if length < _SHORTEST:
        raise typer.BadParameter(f"--every: at least {_SHORTEST.total_seconds():.0f}s")
    return length


def run_job(settings: Settings, every: str, web_host: str, web_port: int) -> None:
    """Run the job until SIGTERM or SIGINT. Raises BadParameter, UnreachableError and PreconditionError."""
    from streams.operations.reconcile_metrics import ReconcileMetrics  # noqa: PLC0415 - aiohttp takes long to import
    from streams.operations.reconcile_site import serve_job  # noqa: PLC0415 - see above

    metrics = ReconcileMetrics()
    job = Job(settings, check_every(every), metrics.count_round)

    async def run(listening: socket.socket) -> None:
        async with serve_job(listening, settings, job, metrics):
            await job.run()

    with listen(web_host, web_port) as listening:
        asyncio.run(_check(settings))
        configure_logging(settings.log_format, settings.log_level)
        until_told_to_end(run(listening))


async def _check(settings: Settings) -> None:
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
