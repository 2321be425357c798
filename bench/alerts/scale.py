"""What the real evaluator costs with many pipelines: the begin, a look at all, a close, a restart, a new pipeline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from rich.console import Console

from bench.alerts.filling import Filling
from streams.alerts.evaluation.evaluator import FUNNELS_EVERY, Evaluator
from streams.alerts.evaluation.term import Term
from streams.alerts.rule_file import RuleFile
from streams.allocation import give_large_arrays_back
from streams.local.stack import LocalStack
from streams.store.database import REPORT_SETTING, STATEMENT_SECONDS, Pool, close_soon, create_pool
from streams.store.migrations import migrate

RULES = '[[rule]]\nname = "drops"\nkind = "drop"\nwindow = "day"\ndrop = "30%"\n'
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Cost:
    """What a step cost: CPU seconds of the process, wall seconds with the SQL, and MB of memory after and at most."""

    step: str
    cpu: float
    wall: float
    memory: float
    most: float
    transitions: int

    def __str__(self) -> str:
        """Return a line."""
        return (
            f"{self.step:44} {self.cpu:7.2f} s CPU {self.wall:7.2f} s wall {self.memory:6.0f} MB, "
            f"at most {self.most:.0f} MB, {self.transitions} transitions"
        )


async def measured(step: str, look: Callable[[], Awaitable[int]]) -> Cost:
    """Return the cost of a look."""
    _forget_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    transitions = await look()
    return Cost(
        step,
        time.process_time() - cpu,
        time.perf_counter() - wall,
        *_memory(),
        transitions,
    )


def _forget_peak() -> None:
    """Have Linux begin anew to watch the greatest memory of this process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def _memory() -> tuple[float, float]:
    """Return the memory of this process now, and the greatest since `_forget_peak`, in MB."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text("ascii").splitlines())
    now, most = (int(lines[name].split()[0]) / 1000 for name in ("VmRSS", "VmHWM"))
    return now, most


async def evaluator_on(pool: Pool, dsn: str, rules: Path) -> tuple[Evaluator, Term]:
    """Return an evaluator that is active."""
    term = Term(dsn, REPORT_SETTING, "bench")
    while not await term.hold():
        await asyncio.sleep(0.01)
    return Evaluator(pool, RuleFile(rules, ("day",)), ("day",), timedelta(days=1), term), term


async def story(dsn: str, pipelines: int, days: int, tell: Callable[[Cost], object]) -> None:
    """Fill a migrated database with days of history, and tell the cost of each kind of look."""
    connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
    filling = Filling(connection, pipelines)
    await filling.begin()
    for _ in range(days):
        await filling.close_day()
    await filling.flush_partials()
    await connection.execute("analyze")
    with TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.toml"
        rules.write_text(RULES, "utf-8")
        pool = await create_pool(
            dsn, REPORT_SETTING, min_size=1, max_size=2, command_timeout=STATEMENT_SECONDS
        )
        try:
            term = await _looks(filling, pool, dsn, rules, days, tell)
            await term.close()
        finally:
            await close_soon(pool)
    await connection.close()


async def _looks(
    filling: Filling, pool: Pool, dsn: str, rules: Path, days: int, tell: Callable[[Cost], object]
) -> Term:
    evaluator, term = await evaluator_on(pool, dsn, rules)
    tell(await measured(f"the begin: {days} days are learned", evaluator.look))
    await filling.prove(3 * _HOUR)
    tell(await measured("the first look at the open day", evaluator.look))
    await filling.flush_partials()
    await filling.prove(5 * _HOUR)
    tell(await measured("a look at all, every count has changed", evaluator.look))
    await filling.flush_partials(every=100)
    await filling.prove(7 * _HOUR)
    tell(await measured("a look, every 100th pipeline has changed", evaluator.look))
    tell(await measured("a look without news", evaluator.look))
    await filling.close_day()
    tell(await measured("a close", evaluator.look))
    await term.close()
    evaluator, term = await evaluator_on(pool, dsn, rules)
    tell(await measured("a restart", evaluator.look))
    await filling.add_pipeline()
    evaluator._read_at -= FUNNELS_EVERY  # noqa: SLF001 - the time has come to read the pipelines again
    tell(await measured("a new pipeline", evaluator.look))
    await filling.flush_partials()
    await filling.prove(3 * _HOUR)
    tell(await measured("a look at all, the new pipeline included", evaluator.look))
    size = await filling.connection.fetchval(
        "select sum(octet_length(content)) from funnelproof.alert_memory"
    )
    tell(Cost(f"memory kept in Postgres: {size / 1e6:.0f} MB", 0, 0, 0, 0, 0))
    return term


async def on_embedded(pipelines: int, days: int, tell: Callable[[Cost], object]) -> None:
    """Run the story on an embedded Postgres."""
    give_large_arrays_back()
    with TemporaryDirectory() as folder:
        stack = LocalStack(Path(folder), only=["postgres"], console=Console(quiet=True))
        with stack.running():
            dsn = stack.postgres.dsn()
            stack.postgres.execute("alter system set fsync = off")
            stack.postgres.execute("select pg_reload_conf()")
            connection = await asyncpg.connect(dsn)
            await migrate(connection)
            await connection.close()
            await story(dsn, pipelines, days, tell)
        stack.erase()
