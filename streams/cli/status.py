"""`funnelproof status`."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.cli.alert_overview import add_alerts, alerts_as_json
from streams.cli.output import AsJson, print_json, stdout
from streams.operations.status import Status, read_status
from streams.operations.verdict import PartitionStatus, ago
from streams.settings import load_settings

_WATCH_SECONDS = 2.0


def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show positions, lag, freshness, living workers, windows, the last reconciliation, and alerts.

    Exit status 1 when a window is overdue or something is wrong; a line that begins with ! names each reason.

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
        "living": found.living,
        "gone": found.gone,
        "connector": found.connector and asdict(found.connector),
        "slot": found.slot,
        "overdue": [asdict(each) for each in found.overdue],
        "writers": [asdict(each) for each in found.writers],
        "alerts": None if found.alerts is None else alerts_as_json(found.alerts),
        "doubts": [asdict(each) for each in found.doubts],
        "troubles": found.troubles,
    }


def _view(found: Status) -> Group:
    lines = Table.grid(padding=(0, 2))
    health = Text("healthy", style="green") if found.healthy else Text("unhealthy", style="red")
    lines.add_row("health", health)
    if found.facts:
        _add_proof(lines, found.facts)
    for window in found.overdue:
        lines.add_row(
            "overdue", Text(f"{window.window_name} ended {window.window_end:%H:%M:%S}", style="red")
        )
    for writer in found.writers:
        lines.add_row("writing", writer.description)
    _add_log(lines, found.partitions)
    workers = [f"{name} lives" for name in found.living] + [f"{name} lives no more" for name in found.gone]
    lines.add_row("workers", ", ".join(workers) or "none")
    if found.connector is not None:
        tasks = ", ".join(found.connector.tasks) or "none"
        lines.add_row("connector", f"{found.connector.name} {found.connector.state}, tasks: {tasks}")
    if found.slot is not None:
        lines.add_row(
            "slot", f"{found.slot['wal_status']}, keeps {found.slot['retained_bytes'] / 1e6:.1f} MB of WAL"
        )
    if found.facts:
        _add_results(lines, found.facts)
    if found.alerts is not None:
        add_alerts(lines, found.alerts)
    return Group(lines, *(Text(f"! {trouble}", style="red") for trouble in found.troubles))


def _add_proof(lines: Table, facts: Mapping[str, Any]) -> None:
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


def _add_log(lines: Table, partitions: Sequence[PartitionStatus]) -> None:
    lags = [each.lag for each in partitions if each.lag is not None]
    unfolded = sum(each.source_offset is None for each in partitions)
    told = [f"{len(partitions)} partitions"]
    if lags:
        told.append(f"{sum(lags)} records behind")
    if unfolded:
        told.append(f"{'all' if unfolded == len(partitions) else unfolded} not folded yet")
    if partitions:
        lines.add_row("log", ", ".join(told))


def _add_results(lines: Table, facts: Mapping[str, Any]) -> None:
    lines.add_row("dead letters", str(facts["dead_letters"]))
    lines.add_row("unpublished", f"{facts['unpublished_events']} results wait for Kafka")
    if facts["labels_trouble"]:
        trouble = f"{facts['labels']} names; FUNNELPROOF_LABELS_SQL: {facts['labels_trouble']}"
        lines.add_row("labels", Text(trouble, style="red"))
    elif facts["labels"]:
        lines.add_row("labels", f"{facts['labels']} names")
    compared = facts["comparisons"]
    if compared["oldest_age"] is not None:
        lines.add_row(
            "compared",
            f"{compared['windows'] - compared['never_compared']} of {compared['windows']} closed windows, the oldest "
            f"{ago(compared['oldest_age'])} ago; {compared['different']} differ",
        )
    if last := facts["last_reconciliation"]:
        lines.add_row(
            "reconciled",
            f"{ago(last['age'])} ago, {last['outcome']}: {last['runs']} runs, {last['differences']} differences",
        )
