"""`funnelproof alerts test`."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import run_telling
from streams.settings import load_settings
from streams.terminal.shapes import printable


def send_test(
    rule: Annotated[
        str | None, typer.Argument(help="A rule: its receivers are tried; default: those of all rules.")
    ] = None,
    receiver: Annotated[str | None, typer.Option(help="Only this receiver.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a test to receivers: an alert called test, which fires and is resolved at once. Nothing is stored.

    Exit status 1 when a receiver did not take the test.

    Example: `funnelproof alerts test --receiver sales-ops`
    """
    # Importing the channels takes as long as everything else: see `cli.alerts`.
    from streams.alerts.trial import Tried, try_receivers  # noqa: PLC0415 - see above

    async def attempt() -> list[Tried]:
        trying = try_receivers(load_settings(), rule, receiver, datetime.now(UTC))
        return [each async for each in trying]

    tried = run_telling("tries the receivers", attempt())
    if as_json:
        print_json({"receivers": [asdict(each) for each in tried]})
    for each in () if as_json else tried:
        _show(each.receiver, each.error)
    if not (tried or as_json):
        stdout.print("no receivers: alerts are on the page alone")
    raise typer.Exit(1 if any(each.error for each in tried) else 0)


def _show(receiver: str, error: str | None) -> None:
    told, style = (error, "red") if error else ("has taken the test", "green")
    stdout.print(printable(f"{receiver}: {told}"), style=style, markup=False, highlight=False, soft_wrap=True)
