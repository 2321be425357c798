"""The picture of a simulation: for each stream the rate, the expected band, and the alerts, as SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

import numpy as np

from streams.alerts.delivery.words import clean
from streams.alerts.scope import Stream
from streams.alerts.simulation.figures import fired
from streams.alerts.simulation.playing import Played
from streams.alerts.transition import Step
from streams.domain.detection.profile import Reals
from streams.domain.windows import from_microseconds

PANELS = 12
"""The most streams of a picture: first those with an injected drop, then those with the most alerts."""
_POINTS = 700
"""The most points of a line; beyond, neighbouring windows become one point."""
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 1000, 120, 60, 26, 34
_MARKS: dict[Step, tuple[str, str]] = {"fired": ("#c0392b", "▼"), "resolved": ("#1e8449", "▲")}


@dataclass(frozen=True)
class Panel:
    """A stream's windows (starts, rates, ends of the band; NaN: no value), marks, and the first injected drop."""

    title: str
    starts: Sequence[int]
    seen: Reals
    low: Reals
    high: Reals
    marks: Sequence[tuple[int, Step]]
    injected: int | None
    of_rate: bool


def panels_of(parts: Sequence[Played]) -> list[Panel]:
    """Return the panels of the streams that tell most, at most PANELS."""
    chosen: list[tuple[tuple[bool, int], int, Played, int]] = []
    for played in parts:
        alarms = fired(played)
        for row, stream in enumerate(played.part.wanted.streams):
            rank = (played.injected[row] is None, -len(alarms.get(stream, ())))
            chosen.append((rank, len(chosen), played, row))
    return [_panel(played, row) for _, _, played, row in sorted(chosen, key=lambda each: each[:2])[:PANELS]]


def _panel(played: Played, row: int) -> Panel:
    stream, lines, want = played.part.wanted.streams[row], played.lines, played.part.wanted
    if lines is None:
        raise ValueError("a picture needs a simulation that keeps lines")
    return Panel(
        f"{_name(played, stream)}, {want.rule.window}, rule {want.rule.name}",
        [window.start for window in played.windows],
        lines.seen[:, row],
        lines.low[:, row],
        lines.high[:, row],
        [(seen.at, step) for other, step, seen in played.decided if other == stream],
        played.injected[row],
        want.rule.kind != "traffic",
    )


def _name(played: Played, stream: Stream) -> str:
    known = played.part.names
    stages = [stage for stage in (stream.from_stage, stream.to_stage) if stage]
    return (
        " -> ".join(known.stages.get(stage) or stage for stage in stages)
        + f" of {known.labels.pipeline(stream.scope.pipeline_id)}"
    )


def draw(panels: Sequence[Panel]) -> str:
    """Return the panels, one below the other, as an SVG document."""
    step = _TOP + _HEIGHT + _GAP
    height = step * len(panels) + 30
    body = [
        f'<g transform="translate({_LEFT} {step * number + _TOP})">{"".join(_drawn(panel))}</g>'
        for number, panel in enumerate(panels)
    ]
    legend = (
        f'<text x="{_LEFT}" y="{height - 12}" fill="#555">line: observed; band: expected in 95 of 100 windows '
        "without a drop; ▼ fired, ▲ resolved; dashed: from here on a drop is injected</text>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + _LEFT + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(body)}{legend}</svg>\n"
    )


def _drawn(panel: Panel) -> Iterator[str]:
    yield f'<text y="-9" font-weight="bold">{escape(clean(panel.title, 150))}</text>'
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#ccc"/>'
    if not len(panel.starts):
        return
    size = -(-len(panel.starts) // _POINTS)
    seen, low, high = (_merged(each, size) for each in (panel.seen, panel.low, panel.high))
    at = np.array(panel.starts[::size], np.float64)
    first, last = panel.starts[0], max(panel.starts[-1], panel.starts[0] + 1)
    known = np.concatenate([each[np.isfinite(each)] for each in (seen, high)])
    top = float(known.max()) if len(known) and known.max() > 0 else 1.0

    def x(instant: float) -> float:
        return round((instant - first) / (last - first) * _WIDTH, 1)

    def y(value: float) -> float:
        return round(_HEIGHT * (1 - min(value / top, 1.0)), 1)

    for run in _runs(np.isfinite(low) & np.isfinite(high)):
        upper = [f"{x(at[i])},{y(high[i])}" for i in run]
        lower = [f"{x(at[i])},{y(low[i])}" for i in reversed(run)]
        yield f'<polygon points="{" ".join(upper + lower)}" fill="#d6e4f0"/>'
    for run in _runs(np.isfinite(seen)):
        points = " ".join(f"{x(at[i])},{y(seen[i])}" for i in run)
        yield f'<polyline points="{points}" fill="none" stroke="#1f4e79" stroke-width="1.2"/>'
    if panel.injected is not None:
        begin = x(panel.injected)
        yield f'<line x1="{begin}" x2="{begin}" y2="{_HEIGHT}" stroke="#c0392b" stroke-dasharray="4 3"/>'
    for instant, step in panel.marks:
        if step in _MARKS:
            colour, sign = _MARKS[step]
            told = f"<title>{step} {_told(from_microseconds(instant))}</title>"
            yield f'<text x="{x(instant)}" y="12" text-anchor="middle" fill="{colour}">{sign}{told}</text>'
    greatest = f"{top:.0%}" if panel.of_rate else f"{top:.0f}"
    yield f'<text x="-6" y="10" text-anchor="end">{greatest}</text>'
    yield f'<text x="-6" y="{_HEIGHT}" text-anchor="end">0</text>'
    ends = f"{_told(from_microseconds(first))}", f"{_told(from_microseconds(last))}"
    yield f'<text y="{_HEIGHT + 15}" fill="#555">{ends[0]}</text>'
    yield f'<text x="{_WIDTH}" y="{_HEIGHT + 15}" text-anchor="end" fill="#555">{ends[1]}</text>'


def _merged(values: Reals, size: int) -> Reals:
    """Return the means of `size` neighbours; NaN where all are."""
    groups = [values[at : at + size] for at in range(0, len(values), size)]
    return np.array([np.nanmean(group) if np.isfinite(group).any() else np.nan for group in groups])


def _runs(known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Iterator[list[int]]:
    """Yield the places of neighbours that are known."""
    run: list[int] = []
    for place, is_known in enumerate(known.tolist()):
        if is_known:
            run.append(place)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _told(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
