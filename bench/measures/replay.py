"""What a start costs: refolding the whole topic against resuming from a checkpoint."""

import asyncio
import shutil
import time

from bench.dataset import Dataset
from bench.measures.finding import Finding, Setting
from bench.measures.fleet import Fleet, fleet
from bench.processes import Measured
from bench.statements import statement


async def measure(setting: Setting, dataset: Dataset) -> Finding:
    """Fold the topic with a fresh worker, stop it, resume it, then start once more without its checkpoint."""
    async with fleet(setting, dataset, "replay") as workers:
        rows = [await _first(workers)]
        await asyncio.to_thread(workers.stop_all)
        rows.append(await _again(workers, "resume from the checkpoint", refolds=False))
        await asyncio.to_thread(workers.stop_all)
        shutil.rmtree(workers.course.folder / "state")
        rows.append(await _again(workers, "restart without a checkpoint", refolds=True))
    return Finding(
        f"Starting over {dataset.work.size:,} events",
        "To ready: from the start of the process until all partitions are held and up to date; in the first row "
        "until the counts are exact. Replay: the part of it after the takeover of the partitions.",
        rows,
    )


async def _first(workers: Fleet) -> dict[str, object]:
    began = time.monotonic()
    worker = workers.start()
    await workers.until_began()
    seconds = await workers.until_exact()
    return _row("first start, empty counts", time.monotonic() - began, seconds, worker, workers)


async def _again(workers: Fleet, name: str, *, refolds: bool) -> dict[str, object]:
    before = await workers.shares()
    flushed = await _flushed(workers)
    began = time.monotonic()
    worker = workers.start()

    async def taken_over() -> bool:
        return not before.keys() & (await workers.shares()).keys()

    async def flushed_again() -> bool:
        return await _flushed(workers) > flushed

    await workers.until(taken_over, "the worker has not taken over")
    seconds = await workers.until(flushed_again, "the worker is not up to date")
    return _row(name, time.monotonic() - began, seconds, worker, workers, refolds=refolds)


def _row(
    name: str, ready: float, replay: float, worker: Measured, workers: Fleet, *, refolds: bool = True
) -> dict[str, object]:
    records = workers.course.dataset.work.size
    return {
        "start": name,
        "to ready, s": round(ready, 2),
        "replay, s": round(replay, 2),
        "records/s": round(records / replay) if refolds else None,
        "CPU s": worker.cpu(),
    }


async def _flushed(workers: Fleet) -> int:
    flushes: int = await workers.facts.fetchval(statement("funnelproof_flushes"))
    return flushes
