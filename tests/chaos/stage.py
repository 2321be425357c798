"""Where a run takes place: an installation on servers that may be killed, and the means to look at it."""

import asyncio
import random
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil

from streams.running import checkpoint_folder
from streams.store.database import OwnConnection
from tests.chaos.crm import Crm
from tests.chaos.history import History
from tests.integration.stream.installation import Installation, Worker
from tests.servers import EmbeddedServers

FOLDING = 150.0
"""Seconds that a takeover may take: a session expires, a broker comes back; Connect's group may wait for a member
that was killed as long as for a rebalance (60 s)."""
PROVES = "select source_time > $1 from funnelproof.prover"


@dataclass
class Stage:
    """One installation for many runs. Between runs exactly one worker runs; `chance` is the present run's."""

    installation: Installation
    servers: EmbeddedServers
    crm: Crm
    history: History
    chance: random.Random = field(default_factory=random.Random)

    @property
    def worker(self) -> Worker:
        """The worker, or the latest of those that run."""
        return [worker for worker in self.installation.workers if worker.runs][-1]

    @property
    def checkpoints(self) -> Path:
        """The folder that workers keep checkpoints in."""
        return checkpoint_folder(self.installation.settings)

    async def pause(self, least: float, most: float) -> None:
        """Let the writers go on for a while."""
        await asyncio.sleep(self.chance.uniform(least, most))

    async def folding(self) -> None:
        """Wait until all partitions are folded and the prover proves."""
        now = await self.installation.now()
        await self.installation.wait_until(PROVES, now, seconds=FOLDING)

    async def next_worker(self) -> str:
        """Start a worker in place of a dead one, with checkpoints or without; return from what it began."""
        replay = self.chance.random() < 0.4
        if replay:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
        worker = self.installation.start_worker()
        await self.folding()
        resumed = worker.resumed
        assert not (replay and resumed)
        return f"{resumed} checkpoints" if resumed else "the log's beginning"

    async def holders(self) -> set[str]:
        """Return who has taken over or flushed a partition last, by partition."""
        rows = await self.installation.connection.fetch(
            "select distinct worker from funnelproof.partition_progress"
        )
        return {row["worker"] for row in rows}

    async def until(self, question: Callable[[], bool], seconds: float) -> None:
        """Wait for what is not asked of Postgres."""
        async with asyncio.timeout(seconds):
            while not question():
                await asyncio.sleep(0.05)

    async def reconnect(self) -> None:
        """Open the test's own session anew, after Postgres was away."""
        self.installation.connection.terminate()
        self.installation.connection = await asyncpg.connect(self.installation.settings.source_dsn)

    @asynccontextmanager
    async def other_session(self) -> AsyncIterator[OwnConnection]:
        """Hold a session beside the test's own."""
        connection = await asyncpg.connect(self.installation.settings.source_dsn)
        try:
            yield connection
        finally:
            await connection.close()


def name_of(worker: Worker) -> str:
    """Return what a worker calls itself in Postgres."""
    return f"{socket.gethostname()}:{worker.process.pid}"


def log(worker: Worker) -> str:
    """Return all that a worker has logged."""
    return worker.log(1_000_000)


def kill(worker: Worker) -> str:
    """End a worker as a crash would; return the evidence."""
    assert worker.runs, worker.log()
    worker.kill()
    assert worker.process.returncode == -signal.SIGKILL
    return f"worker {worker.process.pid} ended by SIGKILL"


def local_ports(worker: Worker) -> set[int]:
    """Return the worker's ends of its connections."""
    return {connection.laddr.port for connection in psutil.Process(worker.process.pid).net_connections()}
