"""The pictures of the documentation show what the code does."""

import re
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams.domain.change import Scope
from streams.domain.tally import Cell, WindowScope, contribution, first_entries, step
from streams.domain.windows import Window, from_microseconds, to_microseconds, window_kind
from tests.unit.docs.pages import DOCS

PICTURES = DOCS / "pictures"
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
NIGHT = datetime(2026, 10, 24, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a program, no module with types
    monkeypatch.syspath_prepend(PICTURES)  # as for `python docs/pictures/draw.py`
    return runpy.run_path(str(PICTURES / "draw.py"))["draw"]


def lines(picture: str, kind: str) -> list[list[str]]:
    """Return the words of a picture's lines of a kind; a text is one word."""
    text = (PICTURES / f"{picture}.txt").read_text("utf-8")
    return [line.split(maxsplit=4)[1:] for line in text.splitlines() if line.startswith(f"{kind} ")]


def instant(day: datetime, time: str) -> int:
    hours, minutes = map(int, time.split(":"))
    return to_microseconds(day + timedelta(hours=hours, minutes=minutes))


@pytest.mark.parametrize("source", sorted(PICTURES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_picture_is_drawn_from_its_text(draw: Any, source: Path) -> None:  # noqa: ANN401 - see above
    assert source.with_suffix(".svg").read_text("utf-8") == draw(source.read_text("utf-8"))


def test_the_picture_of_clocks_that_go_back_has_the_windows_of_the_code() -> None:
    hours, days, utc = (
        window_kind("hour", "Europe/Berlin"),
        window_kind("day", "Europe/Berlin"),
        window_kind("day", "UTC"),
    )
    drawn = lines("clocks-go-back", "window")
    assert [word[0] for word in drawn] == ["berlin"] * 6
    for _, start, end, label in drawn:
        bounds = (instant(NIGHT, start), instant(NIGHT, end))
        assert hours.bounds(bounds[0]) == bounds
        first = from_microseconds(bounds[0]).astimezone(BERLIN)
        assert re.findall(r"\d\d:\d\d", label) == [f"{first:%H:%M}", f"{first.hour + 1:02}:00"]
    assert days.bounds(instant(NIGHT, "25:00")) == (instant(NIGHT, "22:00"), instant(NIGHT, "47:00"))
    assert utc.bounds(instant(NIGHT, "25:00")) == (instant(NIGHT, "24:00"), instant(NIGHT, "48:00"))


def test_the_picture_of_counting_has_the_counts_of_the_code() -> None:
    deals: dict[str, list[tuple[int, int, int, int]]] = {}
    for deal, at, stage in lines("counting", "entry") + lines("counting", "late"):
        deals.setdefault(deal, []).append((0, instant(MONDAY, at), 0, ["Lead", "Demo"].index(stage) + 1))
    windows = {
        "Monday": window_kind("day", "UTC").window_at(instant(MONDAY, "22:00")),
        "Tuesday": window_kind("day", "UTC").window_at(instant(MONDAY, "24:00")),
        "Week": window_kind("week", "UTC").window_at(instant(MONDAY, "24:00")),
    }
    labels = {label.partition(":")[0]: label for *_, label in lines("counting", "window")}
    assert len(deals) == 3
    assert labels.keys() == windows.keys()
    for name, window in windows.items():
        counted = [steps_of(rows, window) for rows in deals.values()]
        entered = sum(step(1, 1) in steps for steps in counted)
        converted = sum(step(1, 2) in steps for steps in counted)
        assert re.findall(r"(?:entered|converted) (\d)", labels[name]) == [str(entered), str(converted)]


def steps_of(rows: list[tuple[int, int, int, int]], window: Window) -> set[int]:
    cell = Cell(WindowScope(Scope("tenant", "pipeline"), window), 0)
    return set(contribution(first_entries(rows, cell), cell))


AXIS = "axis 10:00 11:00 10m\nrow one One\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("window one 10:00 10:05 a text without room", "longer than its bar"),
        ("entry one 10:10 a point with a text\nentry one 10:12 beside another", "cover another text"),
        ("entry one 10:55 a text beyond the edge", "does not fit"),
        ("circle one 10:55 what", "no line begins"),
    ],
)
def test_a_time_line_that_cannot_be_read_is_not_drawn(draw: Any, text: str, reason: str) -> None:  # noqa: ANN401 - see above
    with pytest.raises(ValueError, match=reason):
        draw(AXIS + text)
