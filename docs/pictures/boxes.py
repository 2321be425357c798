# ruff: noqa: INP001 - a part of draw.py, no part of a package
"""Boxes in lanes, joined by arrows. The head of from-row-to-fact.txt says what the lines of a text mean."""

from dataclasses import dataclass, field
from html import escape

from paper import sheet

WIDTH, HEIGHT = 152, 74
"""Of a box, in pixels."""
GAP, ROW = 30, 132
"""Between two boxes of a lane, and from the top of a lane to the top of the next one."""
LEFT, TOP = 20, 34
LINE = 18


@dataclass(frozen=True)
class Box:
    """A box in a column and a lane, both counted from 1; its first line is the title."""

    column: int
    lane: int
    lines: tuple[str, ...]

    @property
    def left(self) -> int:
        """Return the left edge, in pixels."""
        return LEFT + 14 + (self.column - 1) * (WIDTH + GAP)

    @property
    def top(self) -> int:
        """Return the top edge, in pixels."""
        return TOP + 30 + (self.lane - 1) * ROW

    def svg(self) -> str:
        """Return the box with its lines."""
        middle = self.left + WIDTH / 2
        lines = "".join(
            f'<text class="{"line" if number else "title"}" x="{middle:g}" y="{self.top + 24 + number * LINE}" '
            f'text-anchor="middle">{escape(line)}</text>'
            for number, line in enumerate(self.lines)
        )
        return f'<rect class="box" x="{self.left}" y="{self.top}" width="{WIDTH}" height="{HEIGHT}" rx="7"/>{lines}'


@dataclass(frozen=True)
class Arrow:
    """A straight arrow between two boxes, with a label beside its middle."""

    kind: str
    start: Box
    end: Box
    label: str

    def svg(self) -> str:
        """Return the arrow; raises ValueError for boxes that share neither a column nor a lane."""
        start, end = self.start, self.end
        if start.lane == end.lane:
            forward = end.column > start.column
            x1, x2 = (start.left + WIDTH, end.left) if forward else (start.left, end.left + WIDTH)
            y1 = y2 = start.top + HEIGHT // 2
            x, y, anchor = (x1 + x2) // 2, y1 - 8, "middle"
        elif start.column == end.column:
            down = end.lane > start.lane
            y1, y2 = (start.top + HEIGHT, end.top) if down else (start.top, end.top + HEIGHT)
            x1 = x2 = start.left + WIDTH // 2
            x, y, anchor = x1 + 8, y1 + (15 if down else -8), "start"
        else:
            raise ValueError(f"no straight line leads from {start.lines[0]!r} to {end.lines[0]!r}")
        return (
            f'<line class="{self.kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" marker-end="url(#{self.kind})"/>'
            f'<text class="label" x="{x}" y="{y}" text-anchor="{anchor}">{escape(self.label)}</text>'
        )


@dataclass
class Picture:
    """The lanes, boxes and arrows of a text."""

    lanes: list[str] = field(default_factory=list)
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Add what a line says; raises KeyError for an arrow to a box that comes later, or never."""
        kind, rest = line.split(maxsplit=1)
        if kind == "lane":
            self.lanes.append(rest)
        elif kind == "box":
            name, column, lane, lines = rest.split(maxsplit=3)
            self.boxes[name] = Box(int(column), int(lane), tuple(part.strip() for part in lines.split("|")))
        elif kind in ("arrow", "dashed"):
            start, end, *label = rest.split(maxsplit=2)
            self.arrows.append(Arrow(kind, self.boxes[start], self.boxes[end], "".join(label)))
        else:
            raise ValueError(f"a line begins with lane, box, arrow or dashed, not with {kind!r}")

    def svg(self) -> str:
        """Return the drawing."""
        inner = max(box.column for box in self.boxes.values()) * (WIDTH + GAP) - GAP + 28
        width, height = inner + 2 * LEFT, TOP + len(self.lanes) * ROW + 4
        lanes = "".join(
            f'<rect class="lane" x="{LEFT}" y="{TOP + number * ROW - 8}" width="{inner}" height="{ROW - 8}" rx="9"/>'
            f'<text class="name" x="{LEFT + 14}" y="{TOP + number * ROW + 13}">{escape(name)}</text>\n'
            for number, name in enumerate(self.lanes)
        )
        drawn = "\n".join(
            [*(arrow.svg() for arrow in self.arrows), *(box.svg() for box in self.boxes.values())]
        )
        return sheet(width, height, lanes + drawn)
