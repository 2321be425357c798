"""How long the comparison of closed windows takes beside one set-based SQL over the same entries: no Kafka, no Connect.

`python -m bench.reconcile --csv stages.csv` reads lines of `deal,stage,entered_at` as the entries of one pipeline;
without `--csv` the entries are drawn. The entries are folded and closed by the product's own code.
"""

import asyncio
import csv
import gzip
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple
from uuid import UUID, uuid5

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from bench.errors import BenchError
from bench.statements import statement
from streams.domain.change import Change, Scope
from streams.domain.codes import Vocabulary
from streams.domain.pairs import Stage
from streams.domain.partition import PartitionState
from streams.domain.plan import WindowPlan, plan_for
from streams.domain.proof import Marker, Proof
from streams.domain.windows import to_microseconds
from streams.fold.partials import Partials, PartitionFlush
from streams.local.stack import LocalStack
from streams.publish.historic import HistoricClosing, historic_windows
from streams.reconciliation.comparison import Comparison
from streams.reconciliation.reader import Reader
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Pool
from streams.store.epoch import Epoch, begin_epoch
from streams.store.installation import register_installation
from streams.store.migrations import migrate

_NAMES = UUID("5f6c1f0e-3a52-4f0b-9c0e-6f1b1a0e7d11")
_PARTITIONS = 8
_PIPELINES = 8
_STAGES = 6
_DAYS = 30
_FIRST_DAY = datetime(2026, 10, 1, tzinfo=UTC)
_BEST_OF = 5
_stderr = Console(stderr=True)


class Entry(NamedTuple):
    """A row of the stage table."""

    row: UUID
    deal: UUID
    scope: Scope
    stage: UUID
    at: datetime


Kinds = Annotated[str, typer.Option(help="Kinds of windows: hour, day, week, month.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Entries: deal,stage,entered_at; may be gzipped.")]
Deals = Annotated[int, typer.Option(help="Deals to draw, without --csv.")]
Rows = Annotated[int, typer.Option(help="Entries to draw, without --csv.")]


def bench(
    entries: Csv = None, kinds: Kinds = "hour,day", deals: Deals = 300_000, rows: Rows = 1_000_000
) -> None:
    """Fill a CRM, close its windows, and time the comparison and the set-based SQL; the best of five runs each."""
    found = list(_read(entries) if entries else _drawn(deals, rows))
    with tempfile.TemporaryDirectory(prefix="funnelproof-bench-") as folder:
        stack = LocalStack(Path(folder), only=["postgres"], console=Console(quiet=True))
        try:
            with stack.running() as environment:
                asyncio.run(_measure(environment["FUNNELPROOF_SOURCE_DSN"], found, kinds.split(",")))
        finally:
            stack.erase()


async def _measure(dsn: str, entries: Sequence[Entry], names: Sequence[str]) -> None:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            asyncpg.create_pool(dsn, min_size=1, max_size=4, server_settings={"timezone": "UTC"})
        )
        await _fill(pool, entries)
        await _close(pool, entries, plan_for(names, "UTC"))
        table = Table("windows", "runs", "set-based SQL, s", "comparison, s", "ratio")
        for name in names:
            runs, plain, compared = await _both(pool, [name], ClosedScope(window_name=name))
            table.add_row(name, f"{runs:,}", f"{plain:.2f}", f"{compared:.2f}", f"{compared / plain:.1f}")
        runs, plain, compared = await _both(pool, names, ClosedScope())
        table.add_row("all", f"{runs:,}", f"{plain:.2f}", f"{compared:.2f}", f"{compared / plain:.1f}")
        Console(width=100).print(table)


async def _both(pool: Pool, names: Sequence[str], scope: ClosedScope) -> tuple[int, float, float]:
    """Return the number of runs, and the best times of the SQL and of the comparison, which take turns."""
    plain, compared = [], []
    for _ in range(_BEST_OF):
        began = time.perf_counter()
        for name in names:
            await _set_based(pool, name)
        plain.append(time.perf_counter() - began)
        began = time.perf_counter()
        runs = await _compare(pool, scope)
        compared.append(time.perf_counter() - began)
    return runs, min(plain), min(compared)


async def _set_based(pool: Pool, name: str) -> None:
    span = await pool.fetchrow(statement("set_based_span"), name)
    assert span is not None  # noqa: S101 - an aggregate
    await pool.fetch(statement("set_based"), name, span["window_start"], span["window_end"])


async def _compare(pool: Pool, scope: ClosedScope) -> int:
    async def prove() -> None:
        """Nobody writes: there is nothing to wait for."""

    async with pool.acquire() as source:
        reader = Reader(source, timedelta(minutes=5))
        result = await Comparison(reader, pool, prove, scope).run(timedelta(seconds=0))
    if result.outcome != "equal":
        raise BenchError(f"{result.outcome}: {len(result.differences)} differences; {result.reason}")
    return result.runs


async def _fill(pool: Pool, entries: Sequence[Entry]) -> None:
    async with pool.acquire() as connection:
        await connection.execute(sql("local/crm"))
        await migrate(connection)
        await register_installation(
            connection, "funnelproof", max(each.at for each in entries) + timedelta(days=40)
        )
        await connection.copy_records_to_table(
            "deal_pipeline_stage_state",
            schema_name="dyno_crm",
            columns=["id", "deal_id", "tenant_id", "pipeline_id", "pipeline_stage_id", "entered_at"],
            records=[(each.row, each.deal, *each.scope, each.stage, each.at) for each in entries],
        )
        await connection.copy_records_to_table(
            "pipeline_stage",
            schema_name="dyno_crm",
            columns=["id", "tenant_id", "pipeline_id", "name", "display_order"],
            records=[
                (each.stage_id, *each.scope, each.name, each.display_order) for each in _stages(entries)
            ],
        )
        await connection.execute("vacuum analyze")


def _stages(entries: Sequence[Entry]) -> list[Stage]:
    """Return the stages in the order in which deals enter them for the first time."""
    met: dict[tuple[Scope, UUID], int] = {}
    for each in entries:
        met.setdefault((each.scope, each.stage), len(met))
    return [Stage(scope, place, str(stage), str(place)) for (scope, stage), place in met.items()]


async def _close(pool: Pool, entries: Sequence[Entry], plan: WindowPlan) -> None:
    """Fold the entries into partials, and close every window that ends by the installation."""
    began = time.perf_counter()
    epoch = Epoch("data", "topic", _PARTITIONS, plan)
    await begin_epoch(pool, epoch)
    partials = Partials(pool, epoch, "bench")
    vocabulary = Vocabulary()
    states = [PartitionState(plan, vocabulary) for _ in range(_PARTITIONS)]
    for lsn, each in enumerate(entries):
        state = states[each.deal.bytes[0] % _PARTITIONS]
        at = to_microseconds(each.at)
        codes = vocabulary.scopes.code(each.scope), vocabulary.stages.code(str(each.stage))
        state.apply(Change(each.deal.bytes, each.row.bytes, *codes, at, lsn + 1, at))
        state.position += 1
    for number, state in enumerate(states):
        claimed = await partials.claim(number, 0)
        await partials.flush([PartitionFlush(number, state.position, claimed.flushes, state.drain())])
    _stderr.print(f"folded {len(entries):,} entries after {time.perf_counter() - began:.0f} s")
    first, last = min(each.at for each in entries), max(each.at for each in entries)
    start = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=7)
    async with pool.acquire() as connection:
        found = await historic_windows(
            connection, plan, plan.names, start, last + timedelta(days=35), last + timedelta(days=40)
        )
    windows = [each for each in found.open if each.end > to_microseconds(first)]
    proof = Proof(
        Marker(1, 1, "1:1:", "7", 1, _stages(entries)), last + timedelta(days=40), {}, [], [], 0.1, 0.1
    )
    closing = HistoricClosing(pool, epoch)
    at_once = max(1, 5000 // len({each.scope for each in entries}))
    for place in range(0, len(windows), at_once):
        await closing.publish(proof, windows[place : place + at_once])
    # The closer looks for changes of closed windows with every proof.
    await pool.execute(sql("queries/publish/closing_touched"), epoch.id)
    await pool.execute("delete from funnelproof.touched_window")
    await pool.execute("vacuum analyze")
    _stderr.print(f"closed {len(windows):,} windows after {time.perf_counter() - began:.0f} s")


def _read(path: Path) -> Iterator[Entry]:
    scope = Scope(str(uuid5(_NAMES, "tenant")), str(uuid5(_NAMES, "pipeline")))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for number, line in enumerate(csv.DictReader(lines)):
            yield Entry(
                uuid5(_NAMES, f"row {number}"),
                uuid5(_NAMES, f"deal {line['deal']}"),
                scope,
                uuid5(_NAMES, f"stage {line['stage']}"),
                datetime.fromisoformat(line["entered_at"]),
            )


def _drawn(deals: int, rows: int) -> Iterator[Entry]:
    """Draw deals that walk through the stages of one of eight pipelines, some of them again from the first stage."""
    draw = random.Random(7)
    scopes = [
        Scope(str(uuid5(_NAMES, f"tenant {number % 4}")), str(uuid5(_NAMES, f"pipeline {number}")))
        for number in range(_PIPELINES)
    ]
    stages = [[uuid5(_NAMES, f"{scope} {stage}") for stage in range(_STAGES)] for scope in scopes]
    for place in range(deals):
        number = min(int(draw.expovariate(0.5)), _PIPELINES - 1)
        deal = UUID(int=draw.getrandbits(128), version=4)
        at = _FIRST_DAY + timedelta(days=draw.random() * (_DAYS - 2))
        for step in range(rows * (place + 1) // deals - rows * place // deals):
            yield Entry(
                UUID(int=draw.getrandbits(128), version=4),
                deal,
                scopes[number],
                stages[number][step % _STAGES],
                at,
            )
            at = min(
                at + timedelta(hours=draw.expovariate(1 / 5)), _FIRST_DAY + timedelta(days=_DAYS, seconds=-1)
            )


if __name__ == "__main__":
    typer.run(bench)
