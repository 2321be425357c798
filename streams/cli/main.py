"""The command line: one module per group of commands, errors as one line, exit statuses as documented."""

import sys
from typing import Annotated

import click
import typer

from streams.cli.output import stderr
from streams.errors import FunnelproofError

app = typer.Typer(
    name="funnelproof",
    help="Near-real-time funnel conversion counts, proven equal to the SQL you would have run.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

_debug = False


@app.callback()
def common(debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False) -> None:
    """Options that every command takes before its name."""
    global _debug  # noqa: PLW0603 - read once, by main, when the command has failed
    _debug = debug


def main() -> None:
    """Run the command in `sys.argv` and exit: 0 done, 1 bad news, 2 wrong use or cannot tell, 130 interrupted."""
    try:
        status = app(standalone_mode=False)
    except FunnelproofError as error:
        if _debug:
            raise
        stderr.print(f"funnelproof: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        status = error.exit_status
    except click.ClickException as error:
        error.show()
        status = 2
    except (KeyboardInterrupt, click.Abort):
        status = 130
    sys.exit(status)
