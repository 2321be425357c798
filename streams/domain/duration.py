"""Lengths of time as text: in settings `200ms`, `15s`, `10m`, `6h`, `7d`; for people `41 s`, `12 min`."""

import re
from datetime import timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_PATTERN = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_LONGEST = timedelta(days=365_250)
"""A thousand years: the present minus a thousand years is still a valid date."""


def parse_duration(text: str) -> timedelta:
    """Return the length of time named by `text`; raises ValueError for any other text, and for negative lengths."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a length of time: write it as 200ms, 15s, 10m, 6h or 7d")
    length = int(match[1]) * _UNITS[match[2]]
    if length > _LONGEST:
        raise ValueError(f"{text!r} is more than a thousand years")
    return length


def spell(seconds: float) -> str:
    """Return a length of time for people: `41 s`, `12 min`, `5 h`, `3 days`."""
    for most, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < most:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"
