"""Geometry of the charts, in the units of an SVG's view box. The templates draw, so that every point is a link."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.web.model import Counts, Expected, Point

WIDTH, HEIGHT = 720.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 28.0, 12.0, 26.0
SPARK_WIDTH, SPARK_HEIGHT = 96.0, 22.0
_STEPS = (0.05, 0.1, 0.2, 0.25)
_LABELS = 6


@dataclass(frozen=True)
class Mark:
    """A window's point. `point.window` tells its state; `y` is None where nobody entered."""

    x: float
    y: float | None
    point: Point


@dataclass(frozen=True)
class Tick:
    """A line of the scale at `y`, for a rate."""

    y: float
    rate: float


@dataclass(frozen=True)
class Range:
    """The expected range at the point of the open window: `top`, `bottom`, and the expected rate in the `middle`."""

    x: float
    top: float
    middle: float
    bottom: float


@dataclass(frozen=True)
class Trend:
    """The rates of a pair by window, oldest first. `line`, `band`, `running`: SVG paths, empty without two points.

    `line` and `band` are of closed windows; `running` leads on to windows that are not closed.
    """

    marks: tuple[Mark, ...]
    line: str
    running: str
    band: str
    ticks: tuple[Tick, ...]
    labelled: tuple[Mark, ...]
    expected: Range | None = None


def trend_of(points: Sequence[Point], expected: Expected | None = None) -> Trend:
    """Return the chart of points, oldest first. `expected` is of the last point."""
    known = [point.counts for point in points if point.counts is not None and point.counts.rate is not None]
    top = _top(known, 0.0 if expected is None else expected.high_rate or 0.0)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(points) - 1)

    def height(rate: float) -> float:
        return round(HEIGHT - BOTTOM - min(rate, top) / top * (HEIGHT - TOP - BOTTOM), 1)

    marks = tuple(
        Mark(
            round(LEFT + place * step, 1),
            None if point.counts is None or point.counts.rate is None else height(point.counts.rate),
            point,
        )
        for place, point in enumerate(points)
    )
    drawn = [
        (mark, mark.point.counts) for mark in marks if mark.y is not None and mark.point.counts is not None
    ]
    closed = [(mark, counts) for mark, counts in drawn if mark.point.window.state == "closed"]
    upper = [(mark.x, height(counts.high or 0)) for mark, counts in closed]
    lower = [(mark.x, height(counts.low or 0)) for mark, counts in reversed(closed)]
    places = [(mark.x, mark.y) for mark, _ in drawn]
    lines = next(each for each in _STEPS if top / each <= 4.01 or each == _STEPS[-1])
    return Trend(
        marks,
        _path(places[: len(closed)]),
        _path(places[max(0, len(closed) - 1) :]) if len(drawn) > len(closed) else "",
        _path([*upper, *lower]) + " Z" if len(closed) > 1 else "",
        tuple(Tick(height(lines * n), lines * n) for n in range(int(top / lines + 0.01) + 1)),
        marks[:: max(1, -(-len(marks) // _LABELS))],
        _range(marks[-1].x, expected, height) if marks and expected is not None else None,
    )


def _range(x: float, expected: Expected, height: Callable[[float], float]) -> Range | None:
    if expected.high_rate is None or expected.expected_rate is None or expected.low_rate is None:
        return None
    return Range(x, height(expected.high_rate), height(expected.expected_rate), height(expected.low_rate))


def spark_of(rates: Sequence[float | None]) -> str:
    """Return the SVG path of rates, oldest first; empty without two rates."""
    top = max([rate for rate in rates if rate is not None], default=0.0) or 1.0
    step = (SPARK_WIDTH - 4) / max(1, len(rates) - 1)
    return _path(
        [
            (round(2 + place * step, 1), round(SPARK_HEIGHT - 2 - rate / top * (SPARK_HEIGHT - 4), 1))
            for place, rate in enumerate(rates)
            if rate is not None
        ]
    )


def _path(places: Sequence[tuple[float, float | None]]) -> str:
    """Return an SVG path through the places; empty for fewer than two."""
    return "M" + " L".join(f"{x},{y}" for x, y in places) if len(places) > 1 else ""


def _top(known: Sequence[Counts], least: float) -> float:
    """Return the upper end of the scale: the next step above the highest end of an interval, and above `least`."""
    highest = max(least, max((counts.high or 0.0 for counts in known if counts.entered >= 5), default=1.0))
    return next((step for step in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8) if highest <= step), 1.0)
