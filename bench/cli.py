"""The benchmark's command line."""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.contestants import contestants
from bench.errors import BenchError
from bench.run import MEASURES, Options, Results, run
from bench.standings import legend, rows_table, table
from streams.errors import FunnelproofError

_stderr = Console(stderr=True)
_PIPED_WIDTH = 120

Only = Annotated[str | None, typer.Option(metavar="NAMES", help=f"Contenders: {', '.join(contestants())}.")]
Measure = Annotated[str | None, typer.Option(metavar="NAMES", help=f"Other measures: {', '.join(MEASURES)}.")]
Events = Annotated[int, typer.Option(min=1000, help="Events of the common work.")]
Repeat = Annotated[int, typer.Option(min=1, help="Runs of each contender; the table shows the best one.")]
Limit = Annotated[float, typer.Option(min=1, metavar="SECONDS", help="What a run may take.")]
Seconds = Annotated[float, typer.Option(min=5, help="How long measures look, each time.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Save = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON object into a file too.")]


def bench(
    only: Only = None,
    measure: Measure = None,
    events: Events = 1_000_001,
    repeat: Repeat = 1,
    limit: Limit = 300.0,
    seconds: Seconds = 60.0,
    as_json: AsJson = False,
    save: Save = None,
) -> None:
    """Run funnelproof and others over the same change events, one after the other, and compare them.

    Servers are embedded and gone at the end, unless FUNNELPROOF_SOURCE_DSN and FUNNELPROOF_KAFKA (for most measures
    FUNNELPROOF_CONNECT_URL too) name others. Without --only and --measure everything is run.
    Exit status 0 if funnelproof, where it ran, was exact.

    Example: `python -m bench --only ours,loop,faust --json`
    """
    everything = only is None and measure is None
    options = Options(
        contenders=_chosen(only, list(contestants()), everything, "--only"),
        measures=_chosen(measure, list(MEASURES), everything, "--measure"),
        events=events,
        repeat=repeat,
        limit=limit,
        seconds=seconds,
    )
    with tempfile.TemporaryDirectory(prefix="funnelproof-bench-") as folder:
        results = asyncio.run(run(options, Path(folder), _stderr))
    document = json.dumps(results.as_json(), indent=2)
    if save:
        save.write_text(document + "\n", "utf-8")
    if as_json:
        print(document)  # noqa: T201 - rich would wrap and colour it
    else:
        _show(results, Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH))
    raise typer.Exit(0 if results.ours_exact else 1)


def main() -> None:
    """Run the command in `sys.argv` and exit: 0 done, 1 funnelproof not exact, 2 it cannot tell, 130 interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either way, what runs is stopped
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    app.command()(bench)
    try:
        status = app(standalone_mode=False, prog_name="python -m bench")
    except FunnelproofError as error:
        _complain(str(error))
        status = error.exit_status
    except typer.TyperException as error:
        _complain(error.format_message())
        status = 2
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    sys.exit(status)


def _chosen(text: str | None, known: Sequence[str], everything: bool, option: str) -> list[str]:
    if text is None:
        return list(known) if everything else []
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise BenchError(f"{option}: {', '.join(unknown)} is none of {', '.join(known)}")
    return names


def _show(results: Results, console: Console) -> None:
    if results.outcomes:
        console.print(table(results.outcomes, results.options.events))
        for line in legend(results.outcomes):
            console.print(line, markup=False, highlight=False)
    for finding in results.findings.values():
        console.print(rows_table(finding.title, finding.rows, finding.note))
    about: Mapping[str, object] = results.machine
    console.print(", ".join(f"{name}: {value}" for name, value in about.items()), soft_wrap=True)


def _complain(message: str) -> None:
    _stderr.print(f"bench: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
