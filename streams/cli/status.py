"""`funnelproof status`."""

import asyncio
import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.cli.output import AsJson, print_json, stdout
from streams.operations.status import Status, read_status
from streams.settings import load_settings

_WATCH_SECONDS = 2.0


def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show positions, lag, freshness, open and overdue windows, dead letters and the last reconciliation.

    Exit status 1 when a window is overdue or something is wrong.

    Example: `funnelproof status --watch`
    """
    settings = load_settings()
    if watch:
        with Live(console=stdout, auto_refresh=False) as live:
            while True:
                live.update(_view(asyncio.run(read_status(settings))), refresh=True)
                time.sleep(_WATCH_SECONDS)
    found = asyncio.run(read_status(settings))
    if as_json:
        print_json(_as_json(found))
    else:
        stdout.print(_view(found))
    raise typer.Exit(0 if found.healthy else 1)


def _as_json(found: Status) -> dict[str, object]:
    return {
        "healthy": found.healthy,
        **found.facts,
        "partitions": [asdict(each) | {"lag": each.lag} for each in found.partitions],
        "connector": found.connector and asdict(found.connector),
        "slot": found.slot,
        "overdue": [asdict(each) for each in found.overdue],
        "writers": [asdict(each) for each in found.writers],
        "doubts": [asdict(each) for each in found.doubts],
        "troubles": found.troubles,
    }


def _view(found: Status) -> Group:
    facts = found.facts
    lines = Table.grid(padding=(0, 2))
    lines.add_row("instance", f"{facts['instance']}, since {facts['installed_at']:%Y-%m-%d %H:%M:%S %Z}")
    if facts["proven_until"] is None:
        lines.add_row("proof", "none yet")
    else:
        age = (facts["now"] - facts["proven_at"]).total_seconds()
        reasons = "; ".join(facts["reasons"])
        lines.add_row(
            "proof",
            f"{facts['completeness']} up to {facts['proven_lsn']}, {age:.1f} s ago{': ' + reasons if reasons else ''}",
        )
        steps = ((step, facts[f"{step}_seconds"]) for step in ("barrier", "marker", "progress", "publish"))
        lines.add_row("took", ", ".join(f"{step} {1000 * (spent or 0):.0f} ms" for step, spent in steps))
    lines.add_row(
        "windows",
        f"{facts['open_windows']} open, {facts['closed_windows']} closed, {facts['revisions']} revisions"
        f" ({facts['pending_revisions']} pending)",
    )
    for kind in facts["sealed"]:
        lines.add_row(
            "sealed",
            f"{kind['window']} windows that ended by {kind['sealed_until']}; "
            f"{kind['ignored_changes']} later changes were ignored",
        )
    for window in found.overdue:
        lines.add_row(
            "overdue", Text(f"{window.window_name} ended {window.window_end:%H:%M:%S}", style="red")
        )
    for writer in found.writers:
        lines.add_row("writing", writer.description)
    lags = [each.lag for each in found.partitions]
    known = [lag for lag in lags if lag is not None]
    lines.add_row(
        "log", f"{len(lags)} partitions, {sum(known)} records behind, {len(lags) - len(known)} never folded"
    )
    lines.add_row(
        "workers", ", ".join(sorted({each.worker for each in found.partitions if each.worker})) or "none"
    )
    if found.connector is not None:
        lines.add_row("connector", f"{found.connector.name} {found.connector.state}")
    if found.slot is not None:
        lines.add_row(
            "slot", f"{found.slot['wal_status']}, keeps {found.slot['retained_bytes'] / 1e6:.1f} MB of WAL"
        )
    lines.add_row("dead letters", str(facts["dead_letters"]))
    lines.add_row("unpublished", f"{facts['unpublished_events']} results wait for Kafka")
    last = facts["last_reconciliation"]
    if last:
        lines.add_row(
            "reconciled", f"{last['outcome']}: {last['runs']} runs, {last['differences']} differences"
        )
    return Group(lines, *(Text(f"! {trouble}", style="red") for trouble in found.troubles))
