"""Funnelproof itself: the worker as a user starts it."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from bench.contender import Course
from bench.errors import BenchError
from bench.processes import outside
from bench.servers import connected
from bench.statements import statement
from streams.facts.database import OwnConnection

INSTANCE = "bench"


@dataclass
class Ours:
    """`funnelproof worker` with its default settings but for the window kinds."""

    windows: tuple[str, ...] = ("day",)
    name: str = "ours"
    mode: str = "funnelproof worker, checkpoints, flush at least every 200 ms"
    durable: str = "yes: counts and offset in one Postgres transaction, fenced"
    share: Fraction = Fraction(1)

    def prepare(self) -> None:
        """It runs in this environment."""

    async def enter(self, course: Course) -> None:
        """Set its tables up."""
        migrated = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "streams", "migrate"],
            env={**outside(), **self.environment(course)},
            capture_output=True,
            text=True,
            check=False,
        )
        if migrated.returncode:
            raise BenchError(f"funnelproof migrate failed: {migrated.stderr.strip()}")
        async with connected(course.facts_dsn) as facts:
            await facts.execute(statement("funnelproof_result"))

    def command(self, course: Course) -> list[str | Path]:
        """Return the worker's command line."""
        del course
        return [sys.executable, "-m", "streams", "worker"]

    def environment(self, course: Course) -> dict[str, str]:
        """Return its settings."""
        settings = {
            "SOURCE_DSN": course.dataset.source_dsn,
            "REPORT_DSN": course.facts_dsn,
            "KAFKA": course.dataset.servers.kafka,
            "INSTANCE": INSTANCE,
            "TOPIC_PREFIX": course.dataset.topic_prefix,
            "WINDOWS": ",".join(self.windows),
            "STATE_DIR": str(course.folder / "state"),
        }
        return {f"FUNNELPROOF_{name}": value for name, value in settings.items()}

    async def began(self, course: Course, facts: OwnConnection) -> bool:
        """Whether it has taken the partitions over: its first record is the next that it does."""
        del course
        began: bool = await facts.fetchval(statement("funnelproof_began"))
        return began

    async def reached(self, course: Course, facts: OwnConnection) -> float:
        """Return the part of the records that are folded and in Postgres."""
        folded: int = await facts.fetchval(statement("funnelproof_reached"))
        return folded / course.dataset.work.size
