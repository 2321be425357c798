"""Workers of one installation over the common work, for measures that need more than a race."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from bench.contender import ROOT, Course, differences, new_course
from bench.dataset import Dataset
from bench.errors import BenchError
from bench.measures.finding import Setting
from bench.ours import Ours
from bench.processes import Measured, measured
from bench.servers import connected
from bench.statements import statement
from streams.store.database import OwnConnection

_LOOK_EVERY = 0.02


@dataclass
class Fleet:
    """An installation with a database of its own; workers start and stop at will."""

    course: Course
    facts: OwnConnection
    limit: float
    _running: ExitStack = field(default_factory=ExitStack)
    _started: int = 0

    def start(self) -> Measured:
        """Start a worker; it runs until `stop_all`."""
        self._started += 1
        ours = Ours()
        return self._running.enter_context(
            measured(
                ours.command(self.course),
                ours.environment(self.course),
                self.course.folder / f"worker{self._started}.log",
                ROOT,
            )
        )

    def stop_all(self) -> None:
        """Stop all workers in order: they flush and write their checkpoints."""
        self._running.close()

    async def until_began(self) -> float:
        """Wait until a worker has taken partitions over; return the seconds that took."""
        return await self.until(self._took_over, "no worker has taken partitions over")

    async def _took_over(self) -> bool:
        took_over: bool = await self.facts.fetchval(statement("funnelproof_began"))
        return took_over

    async def until_exact(self) -> float:
        """Wait until all counts are there and right; return the seconds that took."""

        async def exact() -> bool:
            complete = await Ours().reached(self.course, self.facts) >= 1
            return complete and not await differences(self.facts)

        return await self.until(exact, "the counts are not exact")

    async def until(self, condition: Callable[[], Awaitable[bool]], complaint: str) -> float:
        """Wait until it holds; raises BenchError with the complaint when it takes too long."""
        began = time.monotonic()
        while not await condition():
            if time.monotonic() - began > self.limit:
                raise BenchError(f"{complaint} after {self.limit:.0f} s: see {self.course.folder}")
            await asyncio.sleep(_LOOK_EVERY)
        return time.monotonic() - began

    async def shares(self) -> dict[str, int]:
        """Return how many records each worker that holds partitions has folded."""
        rows = await self.facts.fetch(statement("funnelproof_shares"))
        return {row["worker"]: row["records"] for row in rows}


@asynccontextmanager
async def fleet(setting: Setting, dataset: Dataset, name: str) -> AsyncIterator[Fleet]:
    """Set an installation up for the length of a block."""
    async with dataset.result_database(f"bench_{name}") as dsn:
        course = new_course(dataset, dsn, setting.folder / name)
        await Ours().enter(course)
        async with connected(dsn) as facts:
            running = Fleet(course, facts, setting.limit)
            try:
                yield running
            finally:
                running.stop_all()
