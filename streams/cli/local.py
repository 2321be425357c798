"""`funnelproof local`: the embedded stack from the command line."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from streams.cli.output import AsJson, print_json, stderr, stdout
from streams.cli.progress import telling
from streams.local.folders import default_data_dir

if TYPE_CHECKING:
    from streams.local.stack import LocalStack

app = typer.Typer(no_args_is_help=True, help="PostgreSQL, Kafka and Kafka Connect on this machine.")

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the data, logs and addresses. Default: the platform's data folder."),
]


@app.command()
def up(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Start PostgreSQL, Kafka and Kafka Connect with the CRM's tables, and print the settings for other commands.

    A server that runs already stays up. The servers run until `funnelproof local down`.

    Example: `eval "$(funnelproof local up)"`
    """
    stack = _stack(data_dir)
    with telling("starts the servers"):
        stack.up()
    environment = stack.environment()
    if as_json:
        print_json({"environment": environment})
    else:
        for name, value in environment.items():
            typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def down(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Stop the servers of `local up`; the data stays.

    Example: `funnelproof local down`
    """
    stack = _stack(data_dir)
    running = [server.name for server in stack.servers if server.pid]
    with telling("stops the servers"):
        stack.down()
    if as_json:
        print_json({"stopped": running})
    else:
        stderr.print(f"stopped: {', '.join(running) or 'nothing was running'}")


@app.command()
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show every server's state, process, address and log. Exit status 1 unless every server answers.

    Example: `funnelproof local status --json`
    """
    stack = _stack(data_dir)
    with telling("asks the servers"):
        servers = stack.status()
    if as_json:
        print_json({"servers": [asdict(server) for server in servers]})
    else:
        table = Table("server", "state", "pid")
        table.add_column("address", overflow="fold")
        table.add_column("log", overflow="fold")
        for server in servers:
            state = "healthy" if server.healthy else "not answering" if server.pid else "stopped"
            table.add_row(server.name, state, str(server.pid or ""), server.address or "", str(server.log))
        stdout.print(table)
    if not all(server.healthy for server in servers):
        raise typer.Exit(1)


def _stack(data_dir: Path | None) -> "LocalStack":
    # The stack imports a resolver of Java packages; no other command should wait for the import.
    from streams.local.stack import LocalStack  # noqa: PLC0415 - see above

    return LocalStack(data_dir or default_data_dir(), console=stderr)
