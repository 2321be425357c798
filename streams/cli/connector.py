"""`funnelproof connector`: the Debezium connector and its topics."""

from dataclasses import asdict
from typing import Annotated

import typer

from streams.cdc.connector import ConnectorStatus
from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import run_telling
from streams.operations.capture import apply_connector, delete_connector, read_connector
from streams.settings import load_settings

app = typer.Typer(help="The Debezium connector and its topics.", no_args_is_help=True)


@app.command()
def apply(as_json: AsJson = False) -> None:
    """Make or update publication, truncate trigger, topics and connector, and wait until the connector reads.

    Prints every object that was made. A failed connector is restarted. Everything is checked first; where the role
    lacks a right, prints the statement for the table's owner and changes nothing.

    Example: `funnelproof connector apply`
    """
    settings = load_settings()
    made: list[str] = []
    status = run_telling("sets the connector up", apply_connector(settings, made.append))
    if as_json:
        print_json({"made": made} | _as_json(status))
        return
    for each in made:
        stdout.print(f"made {each}", markup=False, highlight=False, soft_wrap=True)
    _print(status)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the state of the connector, and whether the connector reads. Exit status 1 unless the connector works.

    Example: `funnelproof connector status`
    """
    found = run_telling("asks Kafka Connect", read_connector(load_settings()))
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found)
    raise typer.Exit(0 if found.running else 1)


@app.command()
def delete(
    topics: Annotated[
        bool,
        typer.Option(
            "--topics",
            help="Delete all that belongs to the log, too: topics, Connect's offsets, replication slot, publication, "
            "truncate trigger. Counts are then rebuilt.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Delete a connector that follows another database, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the connector. Without --topics the replication slot stays, and keeps WAL for the next connector.

    With --topics every right is checked before anything is removed. The topic of the facts stays.

    Example: `funnelproof connector delete`
    """
    settings = load_settings()
    done = run_telling("deletes", delete_connector(settings, topics=topics, force=force))
    if as_json:
        print_json({"deleted": done.existed, "removed": done.removed, "left": done.left})
        return
    for each in done.removed:
        stdout.print(f"removed {each}", markup=False, highlight=False, soft_wrap=True)
    for each in done.left:
        stdout.print(f"left {each}", markup=False, highlight=False, soft_wrap=True)
    if not done.existed:
        stdout.print(f"connector {settings.instance} was not there")


def _as_json(status: ConnectorStatus) -> dict[str, object]:
    return asdict(status) | {"running": status.running}


def _print(status: ConnectorStatus) -> None:
    stdout.print(f"connector {status.name}: {status.state}, tasks: {', '.join(status.tasks) or 'none'}")
    if status.trouble:
        stdout.print(f"  {status.trouble}", markup=False, soft_wrap=True)
    elif status.reads is False:
        stdout.print(
            "  the connector reads nothing now: it cannot reach the CRM's database, or fails and tries again, for some "
            "minutes at most; Connect's log has the cause",
            soft_wrap=True,
        )
