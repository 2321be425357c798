"""`funnelproof run`: the programs of an installation on one machine."""

import os
import sys
from collections.abc import Mapping
from typing import Annotated

import structlog
import typer
from rich.table import Table

from streams.cli.output import stderr
from streams.cli.reconcile_job import check_every
from streams.listening import listen
from streams.logs import configure_logging
from streams.operations.one_machine import WORKER_URL, OneMachine, Site, web_sites
from streams.settings import Settings, load_settings
from streams.supervising.foreground import keep_running
from streams.supervising.lines import CommonLog

log = structlog.get_logger(__name__)


def run(
    workers: Annotated[
        int, typer.Option(min=1, max=100, help="Workers: as many as cores of this machine are for counting.")
    ] = 1,
    no_alerts: Annotated[bool, typer.Option("--no-alerts", help="Do not evaluate alerts.")] = False,
    no_reconcile: Annotated[
        bool, typer.Option("--no-reconcile", help="Do not compare by the clock.")
    ] = False,
    no_dashboard: Annotated[bool, typer.Option("--no-dashboard", help="Do not serve the page.")] = False,
    every: Annotated[
        str, typer.Option(help="Compare what is due, so often, as `reconcile --every`.")
    ] = "15m",
    host: Annotated[
        str, typer.Option(help="Address of the page; any but a loopback address needs tokens or a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free one.")] = 8800,
    web_host: Annotated[
        str,
        typer.Option(help="Address of the web sites of workers and alerts; 0.0.0.0 shows them to others."),
    ] = "127.0.0.1",
    web_port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            help="Port of the first worker's web site; the next workers and alerts have the next ports; 0: free ones.",
        ),
    ] = 0,
) -> None:
    """Run workers, alerts, the reconciliation and the page on this machine, until Ctrl-C or SIGTERM.

    A program that ends is started again: after a second, then after longer and longer pauses, half a minute at the
    most. A program that cannot start (exit status 2) ends everything, with the reason. All programs write one log, on
    stderr; each line has the program's name.

    Example: `funnelproof run --workers 2`
    """
    settings = load_settings()
    check_every(every)
    listen(web_host, 0).close()
    if not no_dashboard:
        listen(host, 0, site="the page", options=("--host", "--port")).close()
    sites = web_sites(web_host, web_port, workers if no_alerts else workers + 1)
    machine = OneMachine(
        _environment(settings),
        sites[:workers],
        None if no_alerts else sites[workers],
        None if no_reconcile else every,
        None if no_dashboard else Site(host, port) if port else web_sites(host, 0, 1)[0],
    )
    configure_logging(settings.log_format, settings.log_level)
    programs = machine.programs()
    _tell(machine, settings)
    writer = CommonLog(sys.stderr, settings.log_format, [program.name for program in programs])
    keep_running(programs, writer.write)


def _environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment of the programs. A worker's URL in the settings file wins over the first worker's."""
    url = settings.dashboard_worker_url
    return {**os.environ, **({WORKER_URL: url} if url else {})}


def _tell(machine: OneMachine, settings: Settings) -> None:
    if settings.log_format == "json":
        sites = {name: site.url for name, site in machine.sites.items()}
        log.info("starts", every=machine.every, **sites)
        return
    table = Table.grid(padding=(0, 2))
    for name, site in machine.sites.items():
        table.add_row(name, site.url if name == "page" else f"{site.url}/metrics")
    if machine.every:
        table.add_row("reconcile", f"what is due, every {machine.every}")
    stderr.print("runs until Ctrl-C:", highlight=False)
    stderr.print(table, highlight=False)
