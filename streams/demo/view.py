"""The demo's live view for a terminal, and the progress lines for any other output."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.demo.business import PIPELINES
from streams.demo.figures import ClosedWindow, FunnelStep, Revision, Totals, Verdict
from streams.terminal.funnel import Closed, Step, closed, funnel
from streams.terminal.shapes import change, table

CLOSED_SHOWN = 4
REVISIONS_SHOWN = 5
ALERTS_SHOWN = 3
_COLORS = {"fired": "bold red", "resolved": "green", "retracted": "yellow"}
_WIDTH = 100
_LINE_EVERY = 5.0


@dataclass(frozen=True)
class Moment:
    """The demo at one moment: `seconds` since the CRM began to write, `rate` in rows a second.

    `page` is the address of the page, None without a page.
    """

    phase: str
    seconds: float
    rate: float
    writes: int
    events: int
    window_name: str
    totals: Totals
    funnel: Sequence[FunnelStep] = ()
    closed: Sequence[ClosedWindow] = ()
    revisions: Sequence[Revision] = ()
    alerts: Sequence[Verdict] = ()
    page: str | None = None


class View(Protocol):
    """Shows moments inside a `with` block."""

    def __enter__(self) -> Self:
        """Begin to show moments."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End, and leave the terminal as before."""

    def show(self, moment: Moment) -> None:
        """Show the moment until the next call."""


class ProgressLines:
    """Prints a line every few seconds, and a line for each new phase."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._phase = ""
        self._said_at = 0.0
        self._told: set[UUID] = set()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def show(self, moment: Moment) -> None:
        """Print the moment, unless the last line is only a few seconds old and the phase is unchanged."""
        self._tell_alerts(moment)
        if moment.phase != self._phase:
            self._phase = moment.phase
            self._say(moment.phase)
        elif moment.seconds - self._said_at < _LINE_EVERY:
            return
        self._said_at = moment.seconds
        totals = moment.totals
        age = _age(moment.funnel)
        self._say(
            f"{moment.seconds:4.0f} s  {moment.writes:,} writes, {moment.events:,} events, "
            f"{totals.windows_closed} windows closed ({totals.runs} runs), {totals.revisions} revisions"
            + (f", counts {age} old" if age else "")
        )

    def _tell_alerts(self, moment: Moment) -> None:
        for alert in reversed(moment.alerts):
            if alert.event_id not in self._told:
                self._told.add(alert.event_id)
                told = f"alert {alert.transition}: {alert.pipeline}: {alert.from_stage} → {alert.to_stage}"
                self._say(
                    f"{moment.seconds:4.0f} s  {told}" + (f", {alert.numbers}" if alert.numbers else "")
                )


class LiveView:
    """A page of 100 x 30 characters that covers the terminal until the block ends."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        """Take the terminal over."""
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        self._live.__exit__(kind, error, trace)

    def show(self, moment: Moment) -> None:
        """Draw the page again."""
        self._live.update(page(moment), refresh=True)


def page(moment: Moment) -> RenderableType:
    """Return the page of a moment."""
    return Group(
        _head(moment),
        Text.assemble(("page ", "dim"), moment.page) if moment.page else "",
        *_funnel(moment),
        "",
        Text("Last windows closed, all pipelines", "bold"),
        _closed(moment.closed),
        "",
        Text("Last revisions: closed windows whose past was corrected", "bold"),
        _revisions(moment.revisions),
        Text("Last alerts: conversion fell, and what became of it", "bold"),
        _alerts(moment.alerts[:ALERTS_SHOWN]),
    )


def _head(moment: Moment) -> RenderableType:
    totals = moment.totals
    head = Table.grid(expand=True)
    head.add_column()
    head.add_column(justify="right")
    head.add_row(
        Text.assemble(("funnelproof demo", "bold green"), f"  {moment.phase}"),
        f"{int(moment.seconds) // 60:02}:{int(moment.seconds) % 60:02}",
    )
    head.add_row(
        Text.assemble(
            ("CRM ", "dim"),
            f"{moment.writes:,} writes ({moment.rate:,.0f}/s)",
            ("   log ", "dim"),
            f"{moment.events:,} events",
            ("   facts ", "dim"),
            f"{totals.windows_closed} windows, {totals.runs} runs, {totals.revisions} revisions",
        ),
        Text(f"{totals.dead_letters} dead letters", "red") if totals.dead_letters else "",
    )
    return head


def _funnel(moment: Moment) -> Iterable[RenderableType]:
    steps = moment.funnel
    title = Text(f"{PIPELINES[0].title}, open window {moment.window_name}", "bold")
    yield title
    if not steps:
        yield Text("  no counts yet", "dim")
        return
    title.append(f"  {steps[0].window_start:%H:%M:%S} to {steps[0].window_end:%H:%M:%S} UTC", "not bold")
    age = _age(steps)
    title.append(f"   as of {age} ago" if age else "   not complete yet", "not bold dim")
    yield funnel([_step(step) for step in steps], _WIDTH)


def _step(step: FunnelStep) -> Step:
    return Step(
        step.from_stage, step.to_stage, step.entered_count, step.converted_count, step.conversion_rate
    )


def _closed(windows: Sequence[ClosedWindow]) -> RenderableType:
    if not windows:
        return Text("  none yet: the first closes at its end", "dim")
    return closed(
        [
            Closed(
                f"{window.window_name:4}  {window.window_start:%H:%M:%S} to {window.window_end:%H:%M:%S}",
                window.entered,
                window.converted,
                window.published_after,
                window.completeness,
                window.revision,
            )
            for window in windows
        ],
        _WIDTH,
    )


def _revisions(revisions: Sequence[Revision]) -> RenderableType:
    if not revisions:
        return Text("  none yet: no closed window was corrected", "dim")
    drawn = table(("", 4), ("from", 8), ("stages", 34), ("entered", -11), ("converted", -11), ("because", 20))
    for revision in revisions:
        drawn.add_row(
            revision.window_name,
            f"{revision.window_start:%H:%M:%S}",
            f"{revision.pipeline.split(' / ')[-1]}: {revision.from_stage} → {revision.to_stage}",
            change(revision.entered_before, revision.entered_after),
            change(revision.converted_before, revision.converted_after),
            Text(", ".join(cause.replace("_", " ") for cause in revision.causes), "magenta"),
        )
    return drawn


def _alerts(alerts: Sequence[Verdict]) -> RenderableType:
    if not alerts:
        return Text("  none yet: no conversion has fallen", "dim")
    drawn = table(("", 9), ("", 8), ("", 36), ("", 41))
    drawn.show_header = False
    for alert in alerts:
        drawn.add_row(
            Text(alert.transition, _COLORS[alert.transition]),
            f"{alert.decided_at:%H:%M:%S}",
            f"{alert.pipeline.split(' / ')[-1]}: {alert.from_stage} → {alert.to_stage}",
            alert.numbers,
        )
    return drawn


def _age(steps: Sequence[FunnelStep]) -> str:
    age = steps[0].age if steps else None
    return f"{max(0.0, age.total_seconds()):.1f} s" if age is not None else ""
