"""`funnelproof backfill`."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from streams.cli.completing import windows
from streams.cli.instants import parse_instant
from streams.cli.output import AsJson, print_json, stderr, stdout
from streams.cli.progress import telling
from streams.operations.living import with_workers
from streams.publish.backfill import Backfill, Backfilled
from streams.settings import load_settings

_INSTANT = "a date or ISO 8601 instant; without an offset, in FUNNELPROOF_TIMEZONE"


def backfill(
    start: Annotated[
        str,
        typer.Option(
            "--from", metavar="INSTANT", help=f"Only windows that start at or after it: {_INSTANT}."
        ),
    ],
    end: Annotated[
        str,
        typer.Option("--to", metavar="INSTANT", help=f"Only windows that end at or before it: {_INSTANT}."),
    ],
    window: Annotated[
        str | None,
        typer.Option(
            help="Only this window kind, as day; all that are configured otherwise.", autocompletion=windows
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Close historic windows: windows that ended before the first `migrate`. Workers must run.

    A window that lies wholly between the instants gets a first run of every pipeline; old windows come first. Stop the
    command as you like and run the command again: closed windows stay closed, and no window is closed twice.

    Example: `funnelproof backfill --from 2020-01-01 --to 2026-01-01 --window day`
    """
    settings = load_settings()
    with telling("closes windows") as tell:

        def show(done: Backfilled, windows: int) -> None:
            rates = f"{_rate(done.windows_closed, done)} windows/s, {_rate(done.runs, done)} runs/s"
            tell(done=done.windows_closed, total=windows, rate=rates)

        backfill = Backfill(
            settings,
            parse_instant(start, "--from", settings.timezone),
            parse_instant(end, "--to", settings.timezone),
            window,
            show,
        )
        done = asyncio.run(with_workers(settings, backfill.run))
    if as_json:
        print_json(asdict(done) | {"seconds": round(done.seconds, 3)})
    else:
        _print(done)


def _rate(count: int, done: Backfilled) -> str:
    return f"{count / done.seconds:,.1f}" if done.seconds else "-"


def _print(done: Backfilled) -> None:
    if not done.windows_closed:
        stdout.print(f"nothing to do: {_others(done) or 'no historic window lies there'}")
        return
    stdout.print(
        f"closed {done.windows_closed:,} windows: {done.runs:,} runs, {done.pairs:,} pairs "
        f"in {done.seconds:.1f} s ({_rate(done.runs, done)} runs/s)"
    )
    if others := _others(done):
        stdout.print(others)
    if done.estimated:
        stderr.print(
            f"{done.estimated:,} windows are estimates, see `funnelproof status`: {'; '.join(done.reasons)}",
            markup=False,
            soft_wrap=True,
        )


def _others(done: Backfilled) -> str:
    told = [(done.already_closed, "closed already"), (done.sealed, "past their retention")]
    return ", ".join(f"{count:,} windows are {what}" for count, what in told if count)
