"""What the source database has to bear: change data capture against a cron that reruns the report."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psutil

from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed, writing
from bench.processes import server_cpu
from bench.servers import connected
from bench.statements import statement
from bench.work import Work
from streams.local.stack import LocalStack
from streams.resources import sql
from streams.store.database import OwnConnection

_RATE = 100
_CRON_EVERY = 5.0
# What a current day or month has of entries on average, at whatever hour this runs.
_HALF = {"day": timedelta(hours=12), "month": timedelta(days=14)}
_CRONS = (("day", 10_000), ("day", 100_000), ("day", 1_000_000), ("month", 1_000_000))
_HOUR = 3600
_WARM_UP = 5.0


async def measure(setting: Setting) -> Finding:
    """Have the source do nothing, be captured, be written to, and be asked by a cron, each for a while."""
    servers = setting.servers
    folder = setting.folder / "source"
    rows: list[dict[str, object]] = []
    async with AsyncExitStack() as open_things:
        # The facts lie on a server of their own, so that the source's processes serve the source alone.
        facts = LocalStack(folder / "facts", only=["postgres"], console=setting.console)
        open_things.callback(facts.erase)
        open_things.enter_context(facts.running())
        facts_dsn = facts.postgres.dsn()
        source = await open_things.enter_async_context(servers.database("bench_source"))
        await open_things.enter_async_context(crm(source))
        connection = await open_things.enter_async_context(connected(source))
        server = await server_of(connection)

        async def look(what: str, table: int) -> None:
            rows.append(await _look(server, what, table, setting.seconds))

        await look("nothing", 0)
        async with writing(source, _RATE, setting.folder):
            await look(f"{_RATE} rows/s written, nothing else", 0)
        async with installed(servers, source, facts_dsn, folder / "cdc"):
            await look("funnelproof, idle", 0)
            async with writing(source, _RATE, setting.folder):
                await look(f"funnelproof, {_RATE} rows/s written", 0)
        for kind, size in _CRONS:
            await connection.execute("truncate dyno_crm.deal_pipeline_stage_state")
            await connection.execute(statement("history_insert"), size)
            await connection.execute("vacuum analyze dyno_crm.deal_pipeline_stage_state")
            async with asyncio.TaskGroup() as tasks:
                cron = tasks.create_task(_cron(connection, _HALF[kind]))
                await look(f"cron every {_CRON_EVERY:.0f} s for the {kind}, idle", size)
                cron.cancel()
    return Finding(
        "CPU of the source database",
        f"All its processes, each row measured for {setting.seconds:.0f} s and extrapolated to an hour. Cron: the "
        "canonical SQL for the last 12 hours or 14 days (what the current day or month has on average) of each of 8 "
        "pipelines, over a month of entries, with an index on (tenant_id, pipeline_id, entered_at). Funnelproof keeps "
        "hour, day, week and month; its facts are on another server here. Rows are written one a transaction. Rows in "
        "the table: at the start.",
        rows,
    )


async def server_of(connection: OwnConnection) -> psutil.Process:
    """Return the server's main process; raises BenchError where it runs elsewhere."""
    pid = await connection.fetchval(statement("server_pid"))
    try:
        session = psutil.Process(pid)
        parent = session.parent()
    except psutil.NoSuchProcess:
        parent = None
    if parent is None or "postgres" not in session.name():
        raise BenchError("the source database runs on another machine: its CPU cannot be measured from here")
    return parent


async def _look(server: psutil.Process, what: str, table: int, seconds: float) -> dict[str, object]:
    await asyncio.sleep(_WARM_UP)
    before, began = server_cpu(server), time.monotonic()
    await asyncio.sleep(seconds)
    spent = server_cpu(server) - before
    passed = time.monotonic() - began
    return {
        "load": what,
        "rows in the table": table,
        "CPU s measured": round(spent, 2),
        "CPU s an hour": round(spent / passed * _HOUR),
    }


async def _cron(connection: OwnConnection, period: timedelta) -> None:
    """Ask for each pipeline's entries of the last `period`, then again."""
    while True:
        began = time.monotonic()
        for pipeline in Work(0).pipelines:
            tenant, name = UUID(pipeline.tenant_id), UUID(pipeline.id)
            now = datetime.now(UTC)
            await connection.fetch(sql("canonical/stage_conversion"), tenant, name, now - period, now, None)
        await asyncio.sleep(max(0.0, began + _CRON_EVERY - time.monotonic()))
