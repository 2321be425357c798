"""How long after a commit its row is in the live view, through the real connector, while others write."""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed, writing
from bench.servers import connected
from bench.statements import statement
from streams.store.database import OwnConnection

_RATE = 500
_LOOK_EVERY = 0.004
_HOPELESS = 30.0
_WARM_UP = 5.0


async def measure(setting: Setting) -> Finding:
    """Commit rows of a tenant of its own, one at a time, and look at the view until it shows each."""
    servers = setting.servers
    folder = setting.folder / "latency"
    async with (
        servers.database("bench_latency") as dsn,
        crm(dsn),
        installed(servers, dsn, dsn, folder) as installation,
        writing(dsn, _RATE, folder),
        connected(dsn) as writer,
        connected(dsn) as reader,
    ):
        await asyncio.sleep(_WARM_UP)
        before, began = installation.worker.cpu(), time.monotonic()
        delays = await _probe(writer, reader, setting.seconds)
        share = (installation.worker.cpu() - before) / (time.monotonic() - began)
    return Finding(
        "From a commit to the live view",
        f"Default settings, {_RATE} rows/s in 50 transactions/s by others meanwhile, all servers on this machine, for "
        f"{setting.seconds:.0f} s; from the client's return from commit to the view's answer, asked every "
        f"{_LOOK_EVERY * 1000:.0f} ms.",
        [{"rows": len(delays), **quantiles(delays), "worker's CPU, % of a core": round(share * 100, 1)}],
    )


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the usual quantiles in milliseconds, of at least two values."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    chosen = {"p50 ms": cuts[49], "p95 ms": cuts[94], "p99 ms": cuts[98], "max ms": max(seconds)}
    return {name: round(value * 1000, 1) for name, value in chosen.items()}


async def _probe(writer: OwnConnection, reader: OwnConnection, seconds: float) -> list[float]:
    tenant, pipeline = uuid4(), uuid4()
    stages = [uuid4(), uuid4()]
    for order, stage in enumerate(stages):
        await writer.execute(statement("stage_insert"), stage, tenant, pipeline, f"probe {order}", order)
    await _until_stages_are_known(reader, tenant)
    draw = random.Random(1)
    delays: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(draw.random() * 0.2)  # at no fixed place between two flushes
        await writer.execute(statement("entry_insert"), [tenant], [pipeline], [stages[0]])
        committed = time.monotonic()
        while await reader.fetchval(statement("probe_count"), tenant) <= len(delays):
            if time.monotonic() - committed > _HOPELESS:
                raise BenchError(f"a row was not in the live view {_HOPELESS:.0f} s after its commit")
            await asyncio.sleep(_LOOK_EVERY)
        delays.append(time.monotonic() - committed)
    return delays


async def _until_stages_are_known(reader: OwnConnection, tenant: UUID) -> None:
    """Wait for the next proof: it reads new stages, and the view knows them from then on."""
    known = "select count(*) = 2 from funnelproof.pipeline_stage where tenant_id = $1"
    until = time.monotonic() + _HOPELESS
    while not await reader.fetchval(known, tenant):
        if time.monotonic() > until:
            raise BenchError(f"new stages were not known within {_HOPELESS:.0f} s")
        await asyncio.sleep(0.1)
