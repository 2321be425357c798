"""Windows: half-open spans `[start, end)` of time. The windows of a kind tile the time line: no gap, no overlap.

Instants are integers: microseconds since the Unix epoch in UTC. Calendar units (hour, day, week from Monday, month)
follow a timezone; fixed lengths (`15s`, `7d`) count from the Unix epoch.

Example, days in New York when clocks go forward: the day of 2026-03-08 is `[05:00, 04:00 next day)` in UTC and has 23
hours; the days around have 24. Example, hours in New York when clocks go back: on 2026-11-01 the hour from 1:00 to
2:00 passes twice, as two windows, `[05:00, 06:00)` and `[06:00, 07:00)` in UTC.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.domain.duration import parse_duration
from streams.domain.timezone import zone_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
CALENDAR_UNITS = ("hour", "day", "week", "month")
SLICE = 900_000_000
"""Microseconds of a quarter of an hour. Since SLICED_FROM every offset from UTC in use is a multiple of SLICE, and no
boundary of a calendar unit lies within a slice of time."""
SLICED_FROM = 94_694_400_000_000  # 1973-01-01


def to_microseconds(instant: datetime) -> int:
    """Return an aware datetime as microseconds since the Unix epoch, exactly."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return microseconds since the Unix epoch as an aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


_FIRST = to_microseconds(datetime(1, 1, 1, tzinfo=UTC))
_LAST = to_microseconds(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
_HOUR = 3_600_000_000
_LONGEST = 36_525 * 24 * _HOUR
"""Microseconds of a century: the window around the present must lie within the calendar."""


class Window(NamedTuple):
    """A window of the kind `name`: `start` lies inside, `end` outside."""

    name: str
    start: int
    end: int


class Zone(NamedTuple):
    """A timezone, in use since an instant (microseconds; None: from the beginning)."""

    since: int | None
    timezone: str


@dataclass(frozen=True)
class WindowKind:
    """A kind of window: a calendar unit in a timezone, or spans of `length` microseconds.

    A change of timezone applies to windows that start after the change: the window open at the change keeps its end,
    and the next window reaches from there to the first boundary in the new timezone. Example: days in UTC change to
    Tokyo (UTC+9) at noon of May 1. The day of May 1 still ends at midnight UTC; the next window ends at 15:00 UTC of
    May 2, which is midnight in Tokyo, and has 15 hours.
    """

    name: str
    zones: tuple[Zone, ...]
    length: int | None = None
    _found: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)

    def timezone_at(self, at: int) -> str:
        """Return the timezone of the window around `at`."""
        return self.zones[bisect_right(self._begins, at)].timezone

    @cached_property
    def _begins(self) -> list[int]:
        """The instants from which the second and later zones apply: ends of the windows open at the changes."""
        ends: list[int] = []
        for number, zone in enumerate(self.zones[1:], start=1):
            before = WindowKind(self.name, self.zones[:number], self.length)
            ends.append(before.bounds(zone.since or 0)[1])
        return ends

    def bounds(self, at: int) -> tuple[int, int]:
        """Return start and end of the window around `at`; raises OverflowError outside the years 1 to 9999."""
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
        """Return the window around `at`."""
        return Window(self.name, *self.bounds(at))

    def windows_ending_in(self, after: int, until: int) -> Iterator[Window]:
        """Yield the windows whose end lies in `(after, until]`, oldest first."""
        window = self.window_at(after)
        while window.end <= until:
            yield window
            window = self.window_at(window.end)

    def _zoned_bounds(self, at: int) -> tuple[int, int]:
        number = bisect_right(self._begins, at)
        start, end = _calendar_bounds(self.name, zone_of(self.zones[number].timezone), at)
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
    # Both passes through a repeated hour are windows, as in Postgres' date_trunc. On Lord Howe Island clocks change by
    # half an hour, within an hour: the hour is cut at the change, so that no two windows overlap.
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    start = at - into // MICROSECOND
    _within_calendar(start, start + _HOUR)
    return _change_between(start, at, local), _change_between(start + _HOUR, at, local)


def _change_between(edge: int, at: int, local: datetime) -> int:
    """Return `edge`, or the instant between `edge` and `at` at which the offset from UTC differs from `local`'s."""

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
    """Return the kind called `name`; raises ValueError for a name that is neither a calendar unit nor a length."""
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
    """Raise ValueError that lists the names which are no window kinds."""
    problems: list[str] = []
    for name in names:
        try:
            window_kind(name, "UTC")
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
