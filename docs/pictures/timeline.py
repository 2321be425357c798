# ruff: noqa: INP001 - a part of draw.py, no part of a package
"""Time lines: rows of bars and points along one axis of time. The head of window-closes.txt explains the lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from paper import sheet

WIDTH, NAMES, MARGIN = 960, 132, 20
"""Of a picture, of the names of rows at the left, and at the edges; in pixels."""
TOP, ROW, BAR = 62, 86, 42
"""The first row's top, a row's height, and a bar's."""
LINE, LETTER = 16, 6.7
"""The height of a line of text, and the width of a letter."""


def seconds(time: str) -> int:
    """Return `HH:MM` or `HH:MM:SS` in seconds; 25:00 is an hour past midnight."""
    hours, minutes, *rest = map(int, time.split(":"))
    return hours * 3600 + minutes * 60 + sum(rest)


@dataclass
class Timeline:
    """The axis, rows and marks of a text."""

    start: int = 0
    end: int = 0
    step: str = "-"
    name: str = ""
    rows: dict[str, Sequence[str]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    taken: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Add what a line says; raises KeyError for a row that comes later, ValueError for texts without room."""
        kind, rest = line.split(maxsplit=1)
        if kind == "axis":
            start, end, self.step, *name = rest.split(maxsplit=3)
            self.start, self.end, self.name = seconds(start), seconds(end), "".join(name)
        elif kind == "row":
            row, label = rest.split(maxsplit=1)
            self.rows[row] = _lines(label)
        elif kind in ("window", "done", "open", "wait"):
            self._bar(kind, *rest.split(maxsplit=3))
        elif kind in ("entry", "late", "mark"):
            self._point(kind, *rest.split(maxsplit=2))
        elif kind == "event":
            self._event(*rest.split(maxsplit=1))
        elif kind in ("arrow", "dashed"):
            self._arrow(kind, *rest.split())
        else:
            raise ValueError(f"no line begins with {kind!r}")

    def svg(self) -> str:
        """Return the drawing."""
        bottom = TOP + len(self.rows) * ROW
        names = [
            f'<rect class="lane" x="{MARGIN}" y="{TOP + number * ROW}" width="{WIDTH - 2 * MARGIN}" height="{ROW - 8}" '
            f'rx="9"/>{self._text("name", MARGIN + 14, TOP + number * ROW + ROW / 2 - 4, lines, "start")}'
            for number, lines in enumerate(self.rows.values())
        ]
        ticks = [
            *self._ticks(bottom),
            f'<text class="tick" x="{MARGIN + 14}" y="{bottom + 12}">{escape(self.name)}</text>',
        ]
        return sheet(WIDTH, bottom + 30, *names, *ticks, *self.events, *self.below, *self.above)

    def _x(self, time: str) -> float:
        room = WIDTH - 2 * MARGIN - NAMES - 40
        return MARGIN + NAMES + 20 + (seconds(time) - self.start) * room / (self.end - self.start)

    def _middle(self, row: str) -> float:
        return TOP + list(self.rows).index(row) * ROW + ROW / 2 - 4

    def _ticks(self, bottom: float) -> list[str]:
        if self.step == "-":
            return []
        ticks = []
        step = int(self.step[:-1]) * {"s": 1, "m": 60, "h": 3600}[self.step[-1]]
        for at in range(self.start, self.end + 1, step):
            minutes, second = divmod(at, 60)
            time = f"{minutes // 60 % 24:02}:{minutes % 60:02}" + (
                f":{second:02}" if self.step[-1] == "s" else ""
            )
            x = self._x(f"00:00:{at}")
            ticks.append(
                f'<line class="axis" x1="{x:g}" y1="{TOP}" x2="{x:g}" y2="{bottom - 8}" stroke-opacity="0.35"/>'
                f'<text class="tick" x="{x:g}" y="{bottom + 12}" text-anchor="middle">{time}</text>'
            )
        return ticks

    def _bar(self, kind: str, row: str, start: str, end: str, label: str = "") -> None:
        left, right, middle = self._x(start), self._x(end), self._middle(row)
        lines = _lines(label)
        if _width(lines) > right - left:
            raise ValueError(f"{label!r} is longer than its bar")
        self.below.append(
            f'<rect class="{kind}" x="{left:g}" y="{middle - BAR / 2:g}" width="{right - left:g}" height="{BAR}" '
            f'rx="6"/>' + self._text("line", (left + right) / 2, middle, lines)
        )

    def _point(self, kind: str, row: str, at: str, label: str) -> None:
        """Draw a point with its text at the right, or at the left if the text begins with `<`."""
        x, y, lines = self._x(at), self._middle(row), _lines(label.removeprefix("<"))
        sign, anchor = (-1, "end") if label.startswith("<") else (1, "start")
        near, far = x + 12 * sign, x + (12 + _width(lines)) * sign
        self._take(row, min(near, far), max(near, far), lines)
        self.above.append(
            f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="6"/>'
            + self._text("label", near, y, lines, anchor)
        )

    def _event(self, at: str, label: str) -> None:
        x, bottom, half = self._x(at), TOP + len(self.rows) * ROW - 8, _width([label]) / 2
        self._take("", x - half, x + half, [label])
        self.events.append(
            f'<line class="event" x1="{x:g}" y1="{TOP - 8}" x2="{x:g}" y2="{bottom}"/>'
            + self._text("title", x, TOP - 8 - LINE, [label])
        )

    def _arrow(self, kind: str, row: str, at: str, to_row: str, to: str) -> None:
        """Draw an arrow from a point to a place in another row, ending beside the point there."""
        x1, y1, x2, y2 = self._x(at), self._middle(row), self._x(to), self._middle(to_row)
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        dx, dy = (x2 - x1) / length * 9, (y2 - y1) / length * 9
        self.below.append(
            f'<line class="{kind}" x1="{x1 + dx:.1f}" y1="{y1 + dy:.1f}" x2="{x2 - dx:.1f}" y2="{y2 - dy:.1f}" '
            f'marker-end="url(#{kind})"/>'
        )

    def _take(self, row: str, left: float, right: float, lines: Sequence[str]) -> None:
        """Keep the room of a text in a row; raises ValueError if there is none."""
        if left < MARGIN + (NAMES if row else 0) or right > WIDTH - MARGIN:
            raise ValueError(f"{lines} does not fit into the picture")
        others = self.taken.setdefault(row, [])
        if any(left < end and start < right for start, end in others):
            raise ValueError(f"{lines} would cover another text")
        others.append((left, right))

    def _text(self, kind: str, x: float, y: float, lines: Sequence[str], anchor: str = "middle") -> str:
        """Return lines of text around the height `y`; the first line of a row's name is its title."""
        first = y - LINE * (len(lines) - 1) / 2 + 4
        return "".join(
            f'<text class="{"line" if kind == "name" and number else kind}" x="{x:g}" y="{first + number * LINE:g}" '
            f'text-anchor="{anchor}">{escape(line)}</text>'
            for number, line in enumerate(lines)
        )


def _lines(label: str) -> list[str]:
    return [part.strip() for part in label.split("|")] if label else []


def _width(lines: Sequence[str]) -> float:
    return max((len(line) * LETTER for line in lines), default=0) + 4
