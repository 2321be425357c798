"""`funnelproof connector`: the Debezium connector and its topics."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from streams.cdc.connector import Connector, ConnectorStatus
from streams.cli.output import AsJson, print_json, stderr, stdout
from streams.operations.capture import apply_connector, delete_connector
from streams.settings import load_settings

app = typer.Typer(help="The Debezium connector and its topics.", no_args_is_help=True)


@app.command()
def apply(as_json: AsJson = False) -> None:
    """Make or update the topics and the connector, and wait until the connector runs.

    Example: `funnelproof connector apply`
    """
    settings = load_settings()
    _print(asyncio.run(apply_connector(settings, _warn)), as_json=as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the state of the connector. Exit status 1 unless the connector runs.

    Example: `funnelproof connector status`
    """
    found = asyncio.run(Connector(load_settings()).status())
    _print(found, as_json=as_json)
    raise typer.Exit(0 if found.running else 1)


@app.command()
def delete(
    topics: Annotated[
        bool, typer.Option("--topics", help="Delete its topics too: counts are then rebuilt.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the connector. Without --topics the replication slot stays, and keeps WAL for the next connector.

    Example: `funnelproof connector delete`
    """
    settings = load_settings()
    existed = asyncio.run(delete_connector(settings, topics=topics))
    if as_json:
        print_json({"deleted": existed})
        return
    stdout.print(f"connector {settings.instance} {'deleted' if existed else 'was not there'}")


def _warn(warning: str) -> None:
    stderr.print(f"warning: {warning}", style="yellow", markup=False)


def _print(status: ConnectorStatus, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(status) | {"running": status.running})
        return
    stdout.print(f"connector {status.name}: {status.state}, tasks: {', '.join(status.tasks) or 'none'}")
    if status.trouble:
        stdout.print(f"  {status.trouble}", markup=False)
