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


_UTC = "UTC"


@dataclass(frozen=True, slots=True)
class Season:
    """The season of a kind of window, by the clock of a timezone."""

    slots: int
    """Seasonal slots."""
    cycle: int
    """Windows until the season begins anew."""
    half_life: int
    """Microseconds after which a window counts half in a baseline. The mean age of a baseline's windows is 1.44
    half-lives, as in a plain look back over 2.9 half-lives: 29 days for hours, 81 days for days."""
    timezone: str = _UTC
    a_day: int = 1
    """Windows of a day; 1 for longer windows."""

    def slot_of(self, start: int) -> int:
        """Return the slot of the window that starts at `start`."""
        if self.slots == 1:
            return 0
        local = from_microseconds(start).astimezone(ZoneInfo(self.timezone))
        if self.slots == HOURS:
            return local.hour + 24 * (local.weekday() >= _SATURDAY)
        return local.weekday()


def season_of(window: str, timezone: str = _UTC, length: int | None = None) -> Season:
    """Return the season of a kind of window; `length` is the length of a fixed window in microseconds."""
    match window:
        case "hour":
            return Season(HOURS, 168, 10 * _DAY, timezone)
        case "day":
            return Season(7, 7, 28 * _DAY, timezone)
        case "week":
            return Season(1, 1, 12 * 7 * _DAY, timezone)
        case "month":
            return Season(1, 1, 365 * _DAY, timezone)
        case _:
            fixed = length or _DAY
            return Season(1, 1, max(10 * _DAY, 20 * fixed), timezone, max(1, _DAY // fixed))
