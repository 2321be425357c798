"""Windows: half-open spans `[start, end)` of time that tile the time line, one tiling per kind.

Instants are integers: microseconds since the Unix epoch in UTC. Calendar units (hour, day, week from Monday,
month) follow a timezone, so a day has 23 or 25 hours where clocks change; fixed lengths count from the epoch.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.domain.duration import parse_duration

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
CALENDAR_UNITS = ("hour", "day", "week", "month")
SLICE = 900_000_000
"""Microseconds (a quarter of an hour): every offset from UTC in use since SLICED_FROM is a multiple of this, so no
boundary of a calendar unit lies within such a slice of time."""
SLICED_FROM = 94_694_400_000_000  # 1973-01-01


def to_microseconds(instant: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch, exactly."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return microseconds since the epoch as an aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


_FIRST = to_microseconds(datetime(1, 1, 1, tzinfo=UTC))
_LAST = to_microseconds(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
_HOUR = 3_600_000_000
_LONGEST = 36_525 * 24 * _HOUR
"""A century: the window that holds the present must lie within the calendar."""


class Window(NamedTuple):
    """One span of a kind: `start` belongs to it, `end` does not."""

    name: str
    start: int
    end: int


class Zone(NamedTuple):
    """A timezone and the instant since when it is the one to use (microseconds; None: always has been)."""

    since: int | None
    timezone: str


@dataclass(frozen=True)
class WindowKind:
    """A tiling of the time line: a calendar unit in a timezone, or spans of `length` microseconds.

    Another timezone, since later, holds for windows that start after it: the window that was open then keeps its end,
    and the next one reaches from there to the first boundary in the new timezone.
    """

    name: str
    zones: tuple[Zone, ...]
    length: int | None = None
    _found: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)

    def timezone_at(self, at: int) -> str:
        """Return the timezone of the window that holds `at`."""
        return self.zones[bisect_right(self._begins, at)].timezone

    @cached_property
    def _begins(self) -> list[int]:
        """Where the windows in each zone but the first begin: at the end of the one that was open at the change."""
        ends: list[int] = []
        for number, zone in enumerate(self.zones[1:], start=1):
            before = WindowKind(self.name, self.zones[:number], self.length)
            ends.append(before.bounds(zone.since or 0)[1])
        return ends

    def bounds(self, at: int) -> tuple[int, int]:
        """Return start and end of the window that holds `at`; raises OverflowError beyond the year 9999."""
        if self.length is not None:
            start = at - at % self.length
            return _within_calendar(start, start + self.length)
        if at < SLICED_FROM:
            return self._zoned_bounds(at)
        found = self._found.get(at // SLICE)
        if found is None:
            found = self._found[at // SLICE] = self._zoned_bounds(at)
        return found

    def window_at(self, at: int) -> Window:
        """Return the window that holds `at`."""
        return Window(self.name, *self.bounds(at))

    def windows_ending_in(self, after: int, until: int) -> Iterator[Window]:
        """Yield the windows whose end lies in `(after, until]`, in order."""
        window = self.window_at(after)
        while window.end <= until:
            yield window
            window = self.window_at(window.end)

    def _zoned_bounds(self, at: int) -> tuple[int, int]:
        number = bisect_right(self._begins, at)
        start, end = _calendar_bounds(self.name, ZoneInfo(self.zones[number].timezone), at)
        return (max(start, self._begins[number - 1]) if number else start), end


def _calendar_bounds(unit: str, zone: ZoneInfo, at: int) -> tuple[int, int]:
    local = from_microseconds(at).astimezone(zone)
    if unit == "hour":
        return _hour_bounds(at, local)
    first = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0, tzinfo=None)
    if unit == "week":
        first -= timedelta(days=first.weekday())
        following = first + timedelta(days=7)
    elif unit == "month":
        first = first.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    else:
        following = first + timedelta(days=1)
    return to_microseconds(first.replace(tzinfo=zone)), to_microseconds(following.replace(tzinfo=zone))


def _hour_bounds(at: int, local: datetime) -> tuple[int, int]:
    # Both passes through a repeated hour are hours of their own, as in Postgres' date_trunc. Where clocks change
    # within an hour (by half an hour, as on Lord Howe Island), it is cut there, so that no two windows overlap.
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    start = at - into // MICROSECOND
    _within_calendar(start, start + _HOUR)
    return _change_between(start, at, local), _change_between(start + _HOUR, at, local)


def _change_between(edge: int, at: int, local: datetime) -> int:
    """Return `edge`, or the instant between it and `at` where the offset from UTC stops being that of `local`."""

    def same(instant: int) -> bool:
        return from_microseconds(instant).astimezone(local.tzinfo).utcoffset() == local.utcoffset()

    inner, outer = at, edge if edge < at else edge - 1
    if same(outer):
        return edge
    while abs(outer - inner) > 1:
        middle = (inner + outer) // 2
        if same(middle):
            inner = middle
        else:
            outer = middle
    return max(inner, outer)


def _within_calendar(start: int, end: int) -> tuple[int, int]:
    if start < _FIRST or end > _LAST:
        raise OverflowError("the window would reach beyond the years 1 to 9999")
    return start, end


def window_kind(name: str, *zones: Zone | str) -> WindowKind:
    """Return the kind called `name`; raises ValueError for a name that is neither a unit nor a length."""
    if name in CALENDAR_UNITS:
        return WindowKind(name, tuple(Zone(None, zone) if isinstance(zone, str) else zone for zone in zones))
    try:
        length = parse_duration(name) // MICROSECOND
    except ValueError:
        length = 0
    if not 1_000_000 <= length <= _LONGEST:
        raise ValueError(f"{name!r} is no window: name hour, day, week, month, or a length as 15s, 10m or 7d")
    return WindowKind(name, (Zone(None, "UTC"),), length)


def check_window_names(names: Iterable[str]) -> None:
    """Raise ValueError that names each of these that is no kind of window."""
    problems: list[str] = []
    for name in names:
        try:
            window_kind(name, "UTC")
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
