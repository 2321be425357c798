"""`funnelproof status`."""

import asyncio
import time
from dataclasses import asdict
from typing import Annotated, get_args

import typer
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.cli.alert_overview import alerts_as_json
from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import run_telling
from streams.cli.status_details import details
from streams.operations.status import Status, read_status
from streams.operations.summary import Line, headline, summarize
from streams.operations.verdict import Part
from streams.settings import load_settings
from streams.terminal.shapes import printable

_WATCH_SECONDS = 2.0
_MARKS = {"well": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red"), "unknown": ("-", "dim")}
_NAMES = max(map(len, get_args(Part)))


def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show positions, partitions, proof, slot and receivers, too."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is well, what is not, and what to do.

    A line for each part of the installation: ✓ well; ! worth a look; ✗ not well, with the cause and, behind the arrow,
    the remedy; - not known. Exit status 1 when a line has ✗.

    Example: `funnelproof status --watch`
    """
    settings = load_settings()
    found = run_telling("asks the servers", read_status(settings))
    if watch:
        with Live(console=stdout, auto_refresh=False) as live:
            while True:
                live.update(Picture(found, verbose=verbose), refresh=True)
                time.sleep(_WATCH_SECONDS)
                found = asyncio.run(read_status(settings))
    if as_json:
        print_json(_as_json(found))
    else:
        stdout.print(Picture(found, verbose=verbose), soft_wrap=not stdout.is_terminal)
    raise typer.Exit(0 if found.healthy else 1)


def _as_json(found: Status) -> dict[str, object]:
    return {
        "healthy": found.healthy,
        **found.facts,
        "partitions": [asdict(each) | {"lag": each.lag} for each in found.partitions],
        "living": found.living,
        "gone": found.gone,
        "connector": found.connector and asdict(found.connector),
        "slot": found.slot,
        "overdue": [asdict(each) for each in found.overdue],
        "writers": [asdict(each) for each in found.writers],
        "alerts": None if found.alerts is None else alerts_as_json(found.alerts),
        "doubts": [asdict(each) for each in found.doubts],
        "troubles": [str(each) for each in found.troubles],
    }


class Picture:
    """The status for people. A pipe gets a line for each part, cause and remedy, never wrapped."""

    def __init__(self, found: Status, *, verbose: bool = False) -> None:
        self._found = found
        self._verbose = verbose

    def __rich_console__(self, console: Console, _options: ConsoleOptions) -> RenderResult:
        """Draw the headline, a line for each part, and the details."""
        found = self._found
        name = f"{found.facts['instance']}: " if found.facts else ""
        yield Text(f"{name}{headline(found)}", "bold green" if found.healthy else "bold red")
        lines = summarize(found)
        yield from [_grid(lines)] if console.is_terminal else map(_plain, lines)
        if self._verbose:
            yield ""
            yield details(found)


def _grid(lines: list[Line]) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for line in lines:
        sign, style = _MARKS[line.mark]
        first = Text(sign, style), Text(line.part)
        for each in line.troubles:
            grid.add_row(*first, Text(printable(each.cause), style))
            first = Text(), Text()
            if each.remedy:
                grid.add_row(*first, Text(printable(f"→ {each.remedy}")))
        if line.told:
            grid.add_row(*first, Text(printable(line.told), "" if line.mark == "well" else style))
    return grid


def _plain(line: Line) -> Text:
    told = [f"{each.cause} → {each.remedy}" if each.remedy else each.cause for each in line.troubles]
    begin = f"{_MARKS[line.mark][0]} {line.part:{_NAMES}} "
    return Text("\n".join(begin + printable(each) for each in [*told, *filter(None, [line.told])]))
