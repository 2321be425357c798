"""The command line: a module for each group of commands, errors as a single line, the documented exit statuses."""

import re
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from streams.cli import (
    alerts,
    backfill,
    connector,
    dashboard,
    dead_letters,
    demo,
    local,
    migrate,
    rebuild,
    reconcile,
    report,
    revise,
    run,
    status,
    top,
    uninstall,
    worker,
)
from streams.cli.output import stderr
from streams.errors import FunnelproofError
from streams.operations.failures import explain

app = typer.Typer(
    name="funnelproof",
    help="Near-real-time funnel conversion counts, proven equal to the SQL you would have run.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

_debug = False


def _print_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"funnelproof {version('funnelproof')}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options before a command's name."""
    global _debug  # noqa: PLW0603 - read once, by main, after the command has failed
    _debug = debug


app.command("demo")(demo.demo)
app.command("migrate")(migrate.migrate)
app.command("report")(report.report)
app.command("backfill")(backfill.backfill)
app.command("rebuild")(rebuild.rebuild)
app.command("reconcile")(reconcile.reconcile)
app.command("revise")(revise.revise)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("top")(top.top)
app.command("uninstall")(uninstall.uninstall)
app.command("worker")(worker.worker)
app.add_typer(alerts.app, name="alerts")
app.add_typer(connector.app, name="connector")
app.add_typer(dashboard.app, name="dashboard")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(local.app, name="local")


def main() -> None:
    """Run the command in `sys.argv` and exit: 0 done, 1 bad news, 2 wrong use or cannot tell, 130 interrupted."""
    try:
        status = app(standalone_mode=False)
    except typer.TyperException as error:
        if error.format_message():  # empty if the help was printed instead
            _complain(_with_guess(error.format_message()))
        status = 2
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except Exception as error:  # 1 would mean bad news, and a traceback helps no user
        if _debug:
            raise
        _complain(explain(error))
        status = error.exit_status if isinstance(error, FunnelproofError) else 2
    sys.exit(status)


def _with_guess(message: str) -> str:
    """Return the message with the options that the user may have meant as a question, as for commands."""
    return re.sub(r" \(Possible options: (.+)\)$", r". Did you mean \1?", message)


def _complain(message: str) -> None:
    stderr.print(f"funnelproof: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
