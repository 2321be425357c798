"""The result of a demo, and the result's summary on the screen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class DemoResult:
    """The counts of a demo: written, published and compared. The JSON object has equal fields.

    `windows_closed` counts closed windows (a kind and a start) in which a deal entered a stage. `runs` counts the
    published results: one for each pipeline, window and revision. `revisions` counts the runs after the first of
    their window. `mismatches` counts the pairs of stages that differ from the canonical SQL. `undecided` counts the
    windows of a pipeline that could not be compared. `windows_backfilled` counts windows of the CRM's past.
    `alerts_fired`, `alerts_resolved` and `alerts_retracted` count transitions of alerts. `writes` counts committed
    rows, `events` the records in the data topic. Times are in seconds.
    """

    windows_closed: int
    runs: int
    revisions: int
    mismatches: int
    undecided: int
    runs_compared: int
    pairs_compared: int
    writes: int
    events: int
    seconds: float
    setup_seconds: float
    writing_seconds: float
    publish_seconds: Mapping[str, float | None]
    estimated: int
    dead_letters: int
    seed: int
    rate: float
    writes_by_kind: Mapping[str, int] = field(default_factory=dict)
    rolled_back: int = 0
    revision_causes: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None
    windows_backfilled: int = 0
    alerts_fired: int = 0
    alerts_resolved: int = 0
    alerts_retracted: int = 0

    @property
    def exit_status(self) -> int:
        """0: a window closed and every closed window matched; 1: a mismatch; 2: the answer is unknown."""
        if self.mismatches:
            return 1
        return 2 if self.undecided or self.reason or not self.windows_closed else 0

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if self.exit_status == 0:
            return "every closed window equals the canonical SQL"
        if self.exit_status == 1:
            return f"{self.mismatches} pairs of stages differ from the canonical SQL"
        if not self.windows_closed:
            return "no window that holds data was closed: let the demo run for longer"
        return self.reason or f"{self.undecided} windows could not be compared in time"


def print_summary(result: DemoResult, console: Console) -> None:
    """Print the result on a single screen."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    for name, text in _lines(result):
        table.add_row(name, text)
    console.print(table)
    console.print(
        Text(result.verdict, {0: "bold green", 1: "bold red", 2: "bold yellow"}[result.exit_status])
    )


def _lines(result: DemoResult) -> list[tuple[str, str]]:
    corrections = {
        kind: n for kind, n in result.writes_by_kind.items() if kind not in ("enter", "exit", "reenter")
    }
    worth = f"{result.estimated} estimated" if result.estimated else "all proven complete"
    median, slowest = result.publish_seconds["median"], result.publish_seconds["slowest"]
    pace = result.writes / max(1.0, result.writing_seconds)
    writes = f"{result.writes:,} writes in {result.writing_seconds:.0f} s ({pace:,.0f}/s)"
    compared = f"{result.runs_compared} results, {result.pairs_compared} pairs of stages compared"
    lines = [
        ("CRM", f"{writes}, {result.rolled_back:,} more rolled back"),
        ("corrections", _counts(corrections)),
        ("log", f"{result.events:,} events"),
        ("facts", f"{result.windows_closed} windows closed, {result.runs} runs, {worth}"),
    ]
    if median is not None and slowest is not None:
        after = f"{median:.1f} s (median), {slowest:.1f} s (slowest) after the window's end"
        lines.append(("published", after))
    lines += [
        ("revisions", f"{result.revisions}: {_counts(result.revision_causes)}"),
        ("canonical SQL", f"{compared}, {result.mismatches} differ, {result.undecided} undecided"),
        ("alerts", _alerts(result)),
        ("took", f"{result.seconds:.0f} s, {result.setup_seconds:.0f} s of them to set up"),
    ]
    if result.dead_letters:
        lines.append(("dead letters", f"{result.dead_letters} events could not be applied"))
    return lines


def _alerts(result: DemoResult) -> str:
    fired, resolved, retracted = result.alerts_fired, result.alerts_resolved, result.alerts_retracted
    return f"{fired} fired, {resolved} resolved, {retracted} retracted after a correction"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) or "none"
