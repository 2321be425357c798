"""`make chaos`: every fault as often as planned, on one stack; `make chaos ARGS="--runs 3 --seed 7"` fewer of them."""

import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.chaos.runs import Run, plan, run, stage_on
from tests.servers import embedded_servers

console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


def main(
    runs: Annotated[
        int | None, typer.Option(min=1, help="How many runs; all that are planned if not given.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed: the same faults, moments and writes.")
    ] = None,
    only: Annotated[str, typer.Option(help="Only faults whose name contains this.")] = "",
) -> None:
    """Kill, pause and compact under a running installation, and compare every count with the canonical SQL.

    Example: `make chaos ARGS="--runs 3 --seed 7 --only zombie"`
    """
    chosen = secrets.randbelow(10_000) if seed is None else seed
    planned = plan(chosen, runs, only)
    if not planned:
        raise typer.BadParameter(f"no fault's name contains {only!r}")
    console.print(f"{len(planned)} runs with seed {chosen}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends workers and servers, as Ctrl-C does
    done: list[Run] = []
    began = time.monotonic()
    try:
        asyncio.run(_all(planned, chosen, done))
    finally:
        console.print(_summary(planned, done))
        console.print(
            f"{len(done)} of {len(planned)} runs right in {time.monotonic() - began:.0f} s; seed {chosen}"
        )


async def _all(planned: list[str], seed: int, done: list[Run]) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded_servers(Path(folder) / "servers") as servers:
        logs = Path(folder) / "installation"
        logs.mkdir()
        async with stage_on(servers, logs) as stage:
            for number, fault in enumerate(planned, start=1):
                try:
                    done.append(await run(stage, fault, f"{seed}/{number}"))
                except Exception:
                    kept = shutil.copytree(
                        logs, tempfile.mkdtemp(prefix="funnelproof-chaos-"), dirs_exist_ok=True
                    )
                    console.print(f"run {number} ({fault}) FAILED; the workers' logs are kept in {kept}")
                    raise
                console.print(_line(number, done[-1]))


def _line(number: int, one: Run) -> str:
    written, figures = one.written, one.figures
    return (
        f"{number:2} {one.fault} at {one.moment:.1f} s: exact after {one.seconds:.0f} s; "
        f"{written.committed} transactions, {written.rolled_back} rolled back, {written.lost} lost, "
        f"{written.statements.total()} statements; so far {figures.rows} rows, {figures.partials} counts, "
        f"{figures.windows} windows, {figures.runs} runs, {figures.revisions} of them revisions of {figures.changes} "
        f"facts, {figures.told_again} events sent again\n   {one.evidence}"
    )


def _summary(planned: list[str], done: list[Run]) -> Table:
    table = Table("fault", "planned", "happened, all exact", title="What happened", title_justify="left")
    happened = Counter(one.fault for one in done)
    for fault, times in sorted(Counter(planned).items()):
        table.add_row(fault, str(times), str(happened[fault]))
    table.add_row("all", str(len(planned)), str(len(done)), end_section=True)
    return table


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
