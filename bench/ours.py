"""Funnelproof itself: the worker as a user starts it."""

import asyncio
import re
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import httpx

from bench.contender import Course
from bench.errors import BenchError
from bench.processes import outside
from bench.servers import connected
from bench.statements import statement
from streams.store.database import OwnConnection

INSTANCE = "bench"
_INTERPRETED = """
import sys
sys.modules["streams.cdc.scanner"] = sys.modules["streams.domain.folding"] = None
from streams.cli import main
main()
"""
_BETWEEN_SCRAPES = 0.1
_SITE = re.compile(r"http://[\d.]+:\d+")
_RECORDS = re.compile(r"^funnelproof_records_total\{.*\} (\S+)$", re.MULTILINE)


@dataclass
class Ours:
    """`funnelproof worker` with its default settings but for the window kinds."""

    windows: tuple[str, ...] = ("day",)
    name: str = "ours"
    mode: str = "funnelproof worker, windows of a day, default settings"
    durable: str = "yes: counts and offset in one Postgres transaction, fenced"
    share: Fraction = Fraction(1)
    compiled: bool = True

    def prepare(self) -> None:
        """Do nothing: it runs in this environment."""

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
        program = ("-m", "streams") if self.compiled else ("-c", _INTERPRETED)
        return [sys.executable, *program, "worker"]

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
        """Whether it has folded its first record; its metrics say so, asked once it has taken the partitions over."""
        if not await facts.fetchval(statement("funnelproof_began")):
            return False
        await asyncio.sleep(_BETWEEN_SCRAPES)  # each costs the worker a millisecond or two
        return await _records(course.log) > 0

    async def reached(self, course: Course, facts: OwnConnection) -> float:
        """Return the part of the records that are folded and in Postgres."""
        folded: int = await facts.fetchval(statement("funnelproof_reached"))
        return folded / course.dataset.work.size


async def _records(log: Path) -> float:
    """Return how many records the worker with this log has folded."""
    site = _SITE.search(await asyncio.to_thread(log.read_text, "utf-8"))
    if site is None:
        return 0.0
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        try:
            answer = await client.get(f"{site[0]}/metrics")
        except httpx.HTTPError:  # it folds a large batch, or has ended
            return 0.0
    return sum(float(records) for records in _RECORDS.findall(answer.text))
