"""The picture of `funnelproof top`: how fresh and how sure, the newest window, the closed windows, and the alerts."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from streams.domain.duration import spell
from streams.terminal.alerts import alerts
from streams.terminal.choosing import title
from streams.terminal.following import Seen
from streams.terminal.funnel import Closed, Step, closed, funnel
from streams.terminal.shapes import printable
from streams.web.model import Expected, Health, Reconciliation, Window
from streams.web.view import Row, View
from streams.web.words import capital, causes, clock, moment, percent, span, stage

_CLOSED = 4
_DOUBTS = 3
_SIGNS = {
    "live": ("●", "green"),
    "in_doubt": ("!", "bold yellow"),
    "late": ("▲", "bold yellow"),
    "not_live": ("✗", "bold red"),
    "loading": ("○", "yellow"),
    "unknown": ("?", "yellow"),
}
_VERDICTS = {"dropping": "bold red", "calm": "green"}


class Picture:
    """A drawing of what is seen, as wide as the terminal; `hint` stands at the upper right.

    A low terminal shows the upper part, so the verdict and the alerts come first.
    """

    def __init__(self, seen: Seen, hint: str = "") -> None:
        self._seen = seen
        self._hint = hint

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw from top to bottom."""
        seen, view = self._seen, self._seen.view
        head = Table.grid(expand=True)
        head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        head.add_column(justify="right", no_wrap=True)
        head.add_row(Text(title(seen.pipeline), "bold"), Text(self._hint, "dim"))
        yield head
        yield from _freshness(seen.health)
        yield ""
        if view is None:
            yield Text(f"No numbers: {printable(seen.missing)}.", "yellow")
        else:
            yield from _heading(view)
        yield from alerts(seen)
        if view is not None:
            if view.rows:
                yield funnel([_step(row, view.place.timezone) for row in view.rows], options.max_width)
            yield ""
            yield from _closed(view, options.max_width)
            yield _compared(seen.health.last_reconciliation, view.place.timezone)


def _freshness(health: Health) -> Iterator[Text]:
    sign, style = _SIGNS[health.state]
    proof = "" if health.proof_age is None else f"; {health.completeness} {spell(health.proof_age)} ago"
    yield Text(f"{sign} {printable(health.message)}{proof}", style)
    for doubt in health.doubts[:_DOUBTS]:
        yield Text(f"  results are estimates: {printable(doubt)}", style)
    if len(health.doubts) > _DOUBTS:
        yield Text(f"  and {len(health.doubts) - _DOUBTS} more reasons", style)
    if health.state != "live":
        yield Text("  `funnelproof status` says what to do")


def _heading(view: View) -> Iterator[Text]:
    window, zone = view.funnel.window, view.place.timezone
    yield Text.assemble(
        (f"{capital(window.window)}: {span(window, zone)}", "bold"),
        f"  {_state(window, zone)}, times in {zone}",
    )
    yield Text.assemble(
        (printable(view.verdict.text), _VERDICTS.get(view.verdict.kind, "yellow")),
        f" {printable(view.verdict.note)}",
    )


def _state(window: Window, zone: str) -> str:
    match window.state:
        case "open":
            return f"open until {clock(window.end, zone)}"
        case "closing":
            return "ended, waits for its proof"
        case _:
            return f"closed, {window.completeness}"


def _step(row: Row, zone: str) -> Step:
    pair, counts = row.pair, row.pair.counts
    return Step(
        stage(pair.from_stage, pair.from_stage_id),
        stage(pair.to_stage, pair.to_stage_id),
        counts.entered,
        counts.converted,
        counts.rate,
        before=None if pair.before is None else pair.before.rate,
        expected="" if pair.expected is None else _expected(pair.expected, zone),
        is_too_few=row.is_too_few,
    )


def _expected(expected: Expected, zone: str) -> str:
    match expected.state:
        case "learning":
            return f"learning, {expected.windows_left} left"
        case "young":
            return f"from {clock(expected.until, zone)} on"
        case "held":
            return "not while estimated"
    if expected.low_rate is None or expected.high_rate is None:
        return ""
    return (
        f"{percent(expected.expected_rate)}, {100 * expected.low_rate:.0f} to {100 * expected.high_rate:.0f}"
    )


def _closed(view: View, width: int) -> Iterator[RenderableType]:
    windows = view.history.windows[: -_CLOSED - 1 : -1]
    if not windows:
        yield Text("No closed window yet: a window closes seconds after its end, once it is proven", "dim")
        return
    yield Text("Last closed windows, the counts of all pairs", "bold")
    yield closed([_row(window, view) for window in windows], width)


def _row(window: Window, view: View) -> Closed:
    counts = [] if window.run_id is None else view.history.counts.get(window.run_id, {}).values()
    return Closed(
        _name(window, view.place.timezone),
        sum(each.entered for each in counts),
        sum(each.converted for each in counts),
        window.closed_after or 0.0,
        window.completeness or "",
        window.revision or 1,
        causes(window.causes),
    )


def _name(window: Window, zone: str) -> str:
    """Return the window without the year where the window is shorter than a day."""
    if window.window in ("day", "week", "month"):
        return span(window, zone)
    day = window.start.astimezone(ZoneInfo(zone))
    return f"{day.day} {day:%b}, {clock(window.start, zone)} to {clock(window.end, zone)}"


def _compared(last: Reconciliation | None, zone: str) -> Text:
    if last is None or last.finished_at is None:
        return Text("Never compared with the SQL: run `funnelproof reconcile`", "dim")
    told = f"Compared {moment(last.finished_at, zone)}: "
    if last.outcome == "different":
        return Text(f"{told}{last.differences} of {last.pairs} numbers differ from the SQL", "bold red")
    if last.outcome == "undecided":
        return Text(f"{told}{last.undecided} runs could not be compared with the SQL", "yellow")
    return Text(f"{told}all {last.pairs} numbers equal the SQL", "dim")
