"""The funnel of an open window and the closed windows before: what the demo and `funnelproof top` both show."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from streams.terminal.shapes import GAP, bar, printable, table
from streams.web.words import lasting, number, percent

_COUNT, _RATE, _EXPECTED, _AFTER, _CAUSES = 9, 7, 20, 9, 12
_NAMES = (12, 26)
_BAR = (8, 36)
"""The least and the greatest width of a column; a bar that gets less than the least is left out."""


@dataclass(frozen=True)
class Step:
    """A pair of stages with its counts.

    `before` is the rate in the window before. `expected` is the range that alerts expect, in words. `is_too_few`: the
    deals are too few to tell a change of the rate.
    """

    from_stage: str
    to_stage: str
    entered: int
    converted: int
    rate: float | None
    before: float | None = None
    expected: str = ""
    is_too_few: bool = False

    @property
    def name(self) -> str:
        """The pair's name for people."""
        return printable(f"{self.from_stage} → {self.to_stage}")


@dataclass(frozen=True)
class Closed:
    """A closed window. `after` is the time from the window's end to the close, in seconds."""

    window: str
    entered: int
    converted: int
    after: float
    completeness: str
    revision: int
    causes: str = ""


def funnel(steps: Sequence[Step], width: int) -> Table:
    """Return the table of the steps for a terminal of a width; a narrow terminal gets fewer columns."""
    least, most = _NAMES
    names = min(most, max(least, *(len(step.name) for step in steps)))
    left = width - names - 2 * (_COUNT + GAP) - _RATE - GAP
    has_expected = any(step.expected for step in steps) and left >= _EXPECTED + GAP
    left -= has_expected * (_EXPECTED + GAP)
    has_before = any(step.before is not None for step in steps) and left >= _RATE + GAP + _BAR[0] + GAP
    left -= has_before * (_RATE + GAP)
    long = min(_BAR[1], left - GAP)
    has_bar = long >= _BAR[0]
    drawn = table(
        ("", names),
        ("entered", -_COUNT),
        *([("", long)] if has_bar else []),
        ("converted", -_COUNT),
        ("rate", -_RATE),
        *([("before", -_RATE)] if has_before else []),
        *([("expected", _EXPECTED)] if has_expected else []),
    )
    widest = max(step.entered for step in steps)
    for step in steps:
        drawn.add_row(
            Text(step.name),
            number(step.entered),
            *([bar(step.entered, step.converted, widest, long)] if has_bar else []),
            number(step.converted),
            Text(percent(step.rate), "dim" if step.is_too_few else ""),
            *([Text(percent(step.before), "dim")] if has_before else []),
            *([Text(step.expected, "dim")] if has_expected else []),
        )
    return drawn


def closed(windows: Sequence[Closed], width: int) -> Table:
    """Return the table of closed windows for a terminal of a width."""
    proof = ("proof", 9), ("rev", -3)
    left = width - 2 * (_COUNT + GAP) - sum(abs(column[1]) + GAP for column in proof)
    names = min(left, max(len(each.window) for each in windows))
    left -= names
    has_after = left >= _AFTER + GAP
    because = left - has_after * (_AFTER + GAP) - GAP
    has_causes = any(each.causes for each in windows) and because >= _CAUSES
    drawn = table(
        ("", names),
        ("entered", -_COUNT),
        ("converted", -_COUNT),
        *([("after end", -_AFTER)] if has_after else []),
        *proof,
        *([("because", because)] if has_causes else []),
    )
    for each in windows:
        drawn.add_row(
            Text(each.window),
            number(each.entered),
            number(each.converted),
            *([lasting(each.after)] if has_after else []),
            Text(each.completeness, "green" if each.completeness == "proven" else "yellow"),
            str(each.revision),
            *([Text(each.causes, "magenta")] if has_causes else []),
        )
    return drawn
