"""Retention of windows by kind, as text: `hour=90d,day=5y`."""

from collections.abc import Mapping
from datetime import timedelta

from streams.domain.duration import parse_duration
from streams.domain.windows import check_window_names

YEAR = timedelta(days=365)


def parse_retention(text: str) -> dict[str, timedelta]:
    """Return the retention after a window's end for every kind in `text`; raises ValueError that lists the mistakes."""
    retention: dict[str, timedelta] = {}
    problems: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            name, length = _parse_part(part)
        except ValueError as error:
            problems.append(str(error))
            continue
        if name in retention:
            problems.append(f"names the window kind {name} twice")
        retention[name] = length
    if problems:
        raise ValueError("; ".join(problems))
    return retention


def parse_length(text: str) -> timedelta:
    """Return a length of time; `y` is 365 days, beside the usual units. Raises ValueError."""
    if text.endswith("y") and text[:-1].isdecimal() and len(text) <= 4:
        return int(text[:-1]) * YEAR
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a length of time: write it as 90d or 5y") from None


def check_retention(retention: Mapping[str, timedelta]) -> dict[str, timedelta]:
    """Return `retention` unchanged; raises ValueError for an unknown window kind and for a length of zero."""
    check_window_names(retention)
    for name, length in retention.items():
        if not length:
            raise ValueError(f"{name} must be kept for some time: leave the kind out to keep it forever")
    return dict(retention)


def _parse_part(part: str) -> tuple[str, timedelta]:
    name, equals, length = (word.strip() for word in part.partition("="))
    if not equals:
        raise ValueError(f"{part!r} is no retention: write a window kind and a length of time, as hour=90d")
    check_retention({name: (kept := parse_length(length))})
    return name, kept
