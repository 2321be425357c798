"""`funnelproof status --verbose`: positions, the last proof, partitions, and all else that a person rarely needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from streams.cli.alert_overview import add_alerts
from streams.domain.duration import spell
from streams.operations.status import Status
from streams.operations.verdict import PartitionStatus
from streams.terminal.shapes import printable


def details(found: Status) -> Table:
    """Return the details as a table of two columns."""
    lines = Table.grid(padding=(0, 2))
    if found.facts:
        _add_proof(lines, found.facts)
    for writer in found.writers:
        lines.add_row("writing", Text(printable(writer.description)))
    _add_log(lines, found.partitions)
    workers = [f"{name} lives" for name in found.living] + [f"{name} lives no more" for name in found.gone]
    lines.add_row("workers", Text(", ".join(workers) or "none"))
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
    return lines


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
    for each in partitions:
        lines.add_row(f"partition {each.partition}", Text(printable(_position(each))))


def _position(each: PartitionStatus) -> str:
    if each.source_offset is None:
        return "not folded yet"
    told = [f"folded to offset {each.source_offset}"]
    if each.end is not None:
        told.append(f"the log ends at {each.end}")
    if each.flushed_ago is not None:
        told.append(f"flushed {each.flushed_ago:.1f} s ago by {each.worker}")
    return ", ".join(told) + (", replayed after a takeover" if each.is_replayed else "")


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
            f"{spell(compared['oldest_age'])} ago; {compared['different']} differ",
        )
    if last := facts["last_reconciliation"]:
        lines.add_row(
            "reconciled",
            f"{spell(last['age'])} ago, {last['outcome']}: {last['runs']} runs, {last['differences']} differences",
        )
