"""Lengths of time as text: `200ms`, `15s`, `10m`, `6h`, `7d`."""

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
