"""`funnelproof dead-letters`: the events that could not be applied."""

import asyncio
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import run_telling, telling
from streams.domain.duration import spell
from streams.operations.dead_letters import DeadLetter, Listing, list_dead_letters
from streams.operations.retrying import Retried, retry_dead_letters
from streams.settings import load_settings
from streams.terminal.shapes import printable

app = typer.Typer(help="Events that could not be applied.", no_args_is_help=True)


@app.command("list")
def list_letters(
    limit: Annotated[int, typer.Option(min=1, help="The most letters, oldest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the unresolved dead letters: row, reason, age, and what the letters hold back.

    Example: `funnelproof dead-letters list`
    """
    found = run_telling("reads the letters", list_dead_letters(load_settings(), limit))
    if as_json:
        print_json(_listing_as_json(found))
    else:
        _print_listing(found)


@app.command()
def retry(
    places: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Only these letters, as `list` shows them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read the letters' rows anew from the source, and have the workers count the rows as they are now.

    For after a mend in the CRM, or an upgrade. Waits until the workers have folded the rows. Exit status 1 if a letter
    is not settled.

    Example: `funnelproof dead-letters retry 3/4711`
    """
    with telling("retries letters") as tell:

        def show(done: int, total: int) -> None:
            tell(done=done, total=total)

        done = asyncio.run(retry_dead_letters(load_settings(), places or None, show))
    outcomes: Counter[str] = Counter(each.outcome for each in done)
    if as_json:
        print_json({"letters": [_retried_as_json(each) for each in done], "outcomes": outcomes})
    else:
        _print_retried(done, outcomes)
    raise typer.Exit(0 if set(outcomes) <= {"settled"} else 1)


def _listing_as_json(found: Listing) -> dict[str, object]:
    return {
        "total": found.total,
        "letters": [_letter_as_json(each) for each in found.letters],
        "holds_back": [asdict(each) for each in found.held],
    }


def _letter_as_json(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.place,
        "reason": letter.reason,
        "recorded_at": letter.recorded_at,
        "age_seconds": letter.age,
        "deal_id": letter.row and letter.row.deal_id,
        "row_id": letter.row and letter.row.row_id,
        "row_in_event": letter.event_row and asdict(letter.event_row),
        "row_now": letter.present_row and asdict(letter.present_row),
        "words": letter.words,
        "windows": [asdict(each) for each in letter.windows],
        "pairs": letter.pairs,
    }


def _retried_as_json(each: Retried) -> dict[str, object]:
    return {"id": each.letter.place, "outcome": each.outcome, "why": each.why, "reason": each.letter.reason}


def _print_listing(found: Listing) -> None:
    if not found.letters:
        stdout.print("no dead letters")
        return
    table = Table()
    for name in ("id", "age", "row", "reason", "windows of the row", "pairs"):
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    for each in found.letters:
        windows = "\n".join(
            f"{one.window_name} {one.start:%Y-%m-%d %H:%M} {one.state}" for one in each.windows
        )
        cells = (
            each.place,
            spell(each.age),
            each.words,
            each.reason,
            windows or "unknown",
            "\n".join(each.pairs),
        )
        table.add_row(*(escape("\n".join(map(printable, cell.split("\n")))) for cell in cells))
    stdout.print(table)
    if found.total > len(found.letters):
        stdout.print(f"{found.total - len(found.letters)} more: give --limit")
    held = ", ".join(
        f"{each.window_name}: {each.estimated_runs} runs, {each.open_windows} open windows"
        for each in found.held
    )
    stdout.print(
        "Every window of every pipeline that closes now is an estimate. Estimates since the oldest letter, and windows "
        f"still open: {held or 'none'}",
        highlight=False,
        soft_wrap=True,
    )
    stdout.print("Mend the rows in the CRM, then run `funnelproof dead-letters retry`", highlight=False)


def _print_retried(done: list[Retried], outcomes: Counter[str]) -> None:
    for each in done:
        why = f": {each.why}" if each.why else ""
        stdout.print(
            f"{each.letter.place} {each.outcome}{why}", markup=False, highlight=False, soft_wrap=True
        )
    told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    stdout.print(told or "no dead letters", highlight=False)
