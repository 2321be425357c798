"""How fast results close and are revised where one window has many of them."""

import asyncio
import time
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed
from bench.measures.proof import next_window, until_visible
from bench.servers import connected
from bench.statements import statement
from streams.store.database import OwnConnection

_PIPELINES = 10_000
_STAGES = 5
_KIND, _LENGTH = "30s", timedelta(seconds=30)
_HOPELESS = 120.0


async def measure(setting: Setting) -> Finding:
    """Close a window of many pipelines without entries and one with, then have all of that one revised."""
    servers = setting.servers
    tenant = uuid4()
    async with (
        servers.database("bench_closing") as dsn,
        crm(dsn),
        connected(dsn) as connection,
    ):
        await connection.execute(statement("pipelines_insert"), tenant, _PIPELINES, _STAGES)
        async with installed(servers, dsn, dsn, setting.folder / "closing", (_KIND,)):
            empty = await next_window(connection, _LENGTH)
            rows = [await _closed(connection, "closed, without entries", empty)]
            entered = empty + _LENGTH
            await connection.execute(statement("pipelines_enter"), tenant, entered, _STAGES)
            rows.append(await _closed(connection, "closed, with entries", entered))
            rows.append(await _revised(connection, tenant, entered))
    return Finding(
        f"Closing {_PIPELINES:,} results of one window",
        f"{_STAGES - 1} pairs each, one worker with default settings; with entries, a deal has entered every stage of "
        "each pipeline. Transaction: the one that closes, as the worker notes it, without the commit. Visible: all of "
        "it after the window's end, with the marker, the pipelines' stages and the wait for progress; of revisions, "
        "after the commit of a late entry into each pipeline, with the 5 s in which changes are collected.",
        rows,
    )


async def _closed(connection: OwnConnection, what: str, start: datetime) -> dict[str, object]:
    visible = await until_visible(connection, _KIND, start, _LENGTH)
    steps = await connection.fetchrow(statement("prover_steps"))
    return _row(what, visible, steps["publish"] if steps else None)


async def _revised(connection: OwnConnection, tenant: UUID, start: datetime) -> dict[str, object]:
    """Enter one deal more into each pipeline, within a closed window."""
    await connection.execute(statement("pipelines_enter"), tenant, start, 1)
    committed = time.monotonic()
    while await connection.fetchval(statement("pipelines_published"), tenant, start, 2) < _PIPELINES:
        if time.monotonic() - committed > _HOPELESS:
            raise BenchError(f"not everything was revised after {_HOPELESS:.0f} s")
        await asyncio.sleep(0.05)
    return _row("revised", time.monotonic() - committed, None)


def _row(what: str, visible: float, publish: float | None) -> dict[str, object]:
    return {
        "what": what,
        "results": _PIPELINES,
        "visible after, s": round(visible, 2),
        "transaction, s": publish and round(publish, 2),
        "results/s": publish and round(_PIPELINES / publish),
    }
