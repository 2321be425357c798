"""Seasons: hours of a day and days of a week differ, and a window is compared with windows like itself.

Windows of one *slot* share a seasonal factor. Example: the hour from 9:00 to 10:00 on a Tuesday is in slot 9, on a
Sunday in slot 33. Weeks, months and fixed lengths have a single slot.
"""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from streams.domain.windows import MICROSECOND, from_microseconds

HOURS = 48
"""Slots of the season of hours: first the hours from Monday to Friday, then those of weekends."""
_DAY = timedelta(days=1) // MICROSECOND
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Season:
    """The season of a kind of window."""

    slots: int
    """Seasonal slots."""
    cycle: int
    """Windows until the season begins anew."""
    half_life: int
    """Microseconds after which a window counts half in a baseline. The mean age of a baseline's windows is 1.44
    half-lives, as in a plain look back over 2.9 half-lives: 29 days for hours, 81 days for days."""

    def slot_of(self, start: int, timezone: str) -> int:
        """Return the slot of the window that starts at `start`, by the clock of the timezone."""
        if self.slots == 1:
            return 0
        local = from_microseconds(start).astimezone(ZoneInfo(timezone))
        if self.slots == _BY_DAY.slots:
            return local.weekday()
        return local.hour + 24 * (local.weekday() >= _SATURDAY)


_BY_HOUR = Season(HOURS, 168, 10 * _DAY)
_BY_DAY = Season(7, 7, 28 * _DAY)
_NONE = {"week": Season(1, 1, 12 * 7 * _DAY), "month": Season(1, 1, 365 * _DAY)}


def season_of(window: str, length: int | None = None) -> Season:
    """Return the season of a kind of window; `length` is the length of a fixed window in microseconds."""
    if window == "hour":
        return _BY_HOUR
    if window == "day":
        return _BY_DAY
    return _NONE.get(window) or Season(1, 1, max(10 * _DAY, 20 * (length or _DAY)))
