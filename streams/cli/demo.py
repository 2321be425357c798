"""`funnelproof demo`: the whole story, from an empty folder."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.output import AsJson, print_json, stderr, stdout
from streams.logs import configure_logging

Duration = Annotated[
    float | None,
    typer.Option(
        min=1,
        metavar="SECONDS",
        help="How long the CRM writes. Default: until Ctrl-C; 60 s without a terminal.",
    ),
]
Rate = Annotated[float, typer.Option(min=1, max=5000, help="Rows that the CRM writes in a second.")]
Seed = Annotated[int, typer.Option(help="The seed of every choice the CRM makes.")]
NoDashboard = Annotated[
    bool, typer.Option("--no-dashboard", help="Lines of progress in place of the live view, and no page.")
]
NoBrowser = Annotated[
    bool,
    typer.Option("--no-browser", help="Do not open the page in a browser; without a terminal none opens."),
]
DataDir = Annotated[
    Path | None, typer.Option(help="Keep the servers' data and logs in this folder. Default: keep nothing.")
]


def demo(
    duration: Duration = None,
    rate: Rate = 100.0,
    seed: Seed = 1,
    as_json: AsJson = False,
    no_dashboard: NoDashboard = False,
    no_browser: NoBrowser = False,
    data_dir: DataDir = None,
) -> None:
    """Watch a funnel follow a simulated CRM, and be proven equal to the SQL you would have run.

    Starts PostgreSQL, Kafka, Kafka Connect, a worker, `alerts run` and the page, and tells the page's address.
    Gives the CRM a past, and closes its windows by `backfill`. Writes to the CRM, closes windows, revises closed
    windows after corrections of the past, and compares every closed window with the canonical SQL. Conversions drop
    meanwhile: an alert fires and is resolved, another is retracted after a late correction. Where an Alertmanager
    is installed, its page shows the alerts. The first Ctrl-C ends the writing, the second ends the demo. In a
    terminal the page stays live after the result, until Ctrl-C. Nothing is left behind. Exit status 0 only if at
    least one window closed and every closed window matched. Windows that end more than 20 s after the last write
    stay open, and are not compared.

    In the JSON, `windows_closed` counts closed windows in which a deal entered a stage. `runs` counts results: one
    for each window, pipeline and revision. `revisions` counts results after the first of their window. `events`
    counts records in the data topic. `windows_backfilled` counts windows of the past. `alerts_fired`,
    `alerts_resolved` and `alerts_retracted` count what the alerts did.

    Example: `funnelproof demo --duration 60 --rate 200`
    """
    # Importing the demo and the servers takes a quarter of a second; no other command should wait for the import.
    from streams.demo.browser import has_display  # noqa: PLC0415 - see above
    from streams.demo.options import DemoOptions, as_shown  # noqa: PLC0415 - see above
    from streams.demo.story import run_demo  # noqa: PLC0415 - see above
    from streams.demo.summary import DemoResult, print_summary  # noqa: PLC0415 - see above

    configure_logging("console", "error")
    options = as_shown(
        DemoOptions(duration, rate, seed, data_dir=data_dir),
        terminal=sys.stderr.isatty(),
        dashboard=not no_dashboard,
        browser=not no_browser and has_display(os.environ),
        as_json=as_json,
    )

    def show(result: DemoResult) -> None:
        if as_json:
            print_json(asdict(result))
        else:
            print_summary(result, stdout)

    raise typer.Exit(run_demo(options, stderr, show).exit_status)
