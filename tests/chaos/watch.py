"""Watches progress while faults happen: whoever flushes, no partition ever goes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from streams.store.database import OwnConnection
from tests.chaos.crm import LOST, LOST_TOO

PROGRESS = (
    "select epoch, partition, source_offset, claimed, flushes, worker from funnelproof.partition_progress"
)
EVERY = 0.05


@dataclass
class Watched:
    """What was seen: how often, by how many workers, and each step back (there must be none)."""

    looks: int = 0
    workers: set[str] = field(default_factory=set)
    steps_back: list[str] = field(default_factory=list)


@asynccontextmanager
async def watching(dsn: str) -> AsyncIterator[Watched]:
    """Look at the progress for as long as the block lasts, through losses of Postgres."""
    watched = Watched()
    task = asyncio.create_task(_watch(dsn, watched))
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _watch(dsn: str, watched: Watched) -> None:
    seen: dict[object, tuple[int, int, int]] = {}
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
            try:
                await _look(connection, watched, seen)
            finally:
                connection.terminate()
        except (*LOST, *LOST_TOO):
            await asyncio.sleep(EVERY)


async def _look(
    connection: OwnConnection, watched: Watched, seen: dict[object, tuple[int, int, int]]
) -> None:
    while True:
        for row in await connection.fetch(PROGRESS):
            place = row["epoch"], row["partition"]
            now = (row["source_offset"] or 0, row["claimed"], row["flushes"])
            before = seen.get(place, (0, 0, 0))
            if any(new < old for new, old in zip(now, before, strict=True)):
                watched.steps_back.append(
                    f"partition {row['partition']}: {before} -> {now} by {row['worker']}"
                )
            seen[place] = now
            watched.workers.add(row["worker"])
        watched.looks += 1
        await asyncio.sleep(EVERY)
