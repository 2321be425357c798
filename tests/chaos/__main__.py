"""`make chaos`: every fault as often as planned, many windows, and alerts; `ARGS="--runs 3 --seed 7"`: a few faults."""

import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.local.stack import CRM_DATABASE
from tests.chaos import alert_session, windows
from tests.chaos.runs import Run, plan, run, stage_on
from tests.servers import EmbeddedServers, embedded_servers

console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


def main(
    runs: Annotated[
        int | None, typer.Option(min=1, help="How many faults; all that are planned if not given.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed: the same faults, moments and writes.")
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            help=f"Only faults whose name contains this; also: {windows.NAME!r}, {alert_session.NAME!r}."
        ),
    ] = "",
) -> None:
    """Kill, pause and compact under a running installation, and compare every count with the canonical SQL.

    Then, without faults, close hundreds of windows under writes and hold every run to what it promises. At last, let
    alerts fire and resolve under faults, and compare what was decided with what was told.

    Example: `make chaos ARGS="--runs 3 --seed 7 --only zombie"`, `make chaos ARGS="--only alerts"`
    """
    chosen = secrets.randbelow(10_000) if seed is None else seed
    planned = plan(chosen, runs, only)
    close_windows = only in windows.NAME and (runs is None or not planned)
    turns = runs or alert_session.TURNS if only in alert_session.NAME and (runs is None or not planned) else 0
    if not planned and not close_windows and not turns:
        raise typer.BadParameter(f"no fault's name contains {only!r}")
    parts = [f"{len(planned)} faults", windows.NAME * close_windows, alert_session.NAME * bool(turns)]
    console.print(f"{', then '.join(filter(None, parts))}; seed {chosen}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends workers and servers, as Ctrl-C does
    done: list[Run] = []
    began = time.monotonic()
    try:
        asyncio.run(_all(planned, chosen, done, turns, close_windows=close_windows))
    finally:
        if planned:
            console.print(_summary(planned, done))
        console.print(
            f"{len(done)} of {len(planned)} faults right in {time.monotonic() - began:.0f} s; seed {chosen}"
        )


async def _all(planned: list[str], seed: int, done: list[Run], turns: int, *, close_windows: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded_servers() as servers:
        if planned:
            await _faults(servers, _new(Path(folder) / "faults"), planned, seed, done)
        if close_windows:
            assert servers.postgres_dsn
            logs = _new(Path(folder) / "windows")
            with _logs_kept(logs, windows.NAME):
                kept = await windows.keep_promises(servers, CRM_DATABASE, logs, f"{seed}/windows")
            console.print(f"{windows.NAME}: every promise kept\n   {kept}")
        if turns:
            logs = _new(Path(folder) / "alerts")
            with _logs_kept(logs, alert_session.NAME):
                await alert_session.session(servers, logs, seed, turns, console.print)


async def _faults(
    servers: EmbeddedServers, folder: Path, planned: list[str], seed: int, done: list[Run]
) -> None:
    async with stage_on(servers, folder) as stage:
        for number, fault in enumerate(planned, start=1):
            with _logs_kept(folder, f"run {number} ({fault})"):
                done.append(await run(stage, fault, f"{seed}/{number}"))
            console.print(_line(number, done[-1]))


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


@contextmanager
def _logs_kept(logs: Path, what: str) -> Iterator[None]:
    """Keep the workers' logs where something fails."""
    try:
        yield
    except Exception:
        kept = shutil.copytree(logs, tempfile.mkdtemp(prefix="funnelproof-chaos-"), dirs_exist_ok=True)
        console.print(f"{what} FAILED; the workers' logs are kept in {kept}")
        raise


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
