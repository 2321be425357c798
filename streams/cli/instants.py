"""Instants in the form that people write on a command line."""

from datetime import datetime
from zoneinfo import ZoneInfo

from streams.errors import ReportError


def parse_instant(text: str, option: str, timezone: str) -> datetime:
    """Return the aware instant that `text` names; text without an offset is in `timezone`.

    Raises ReportError with the name of `option` if `text` is not an instant.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ReportError(
            f"{option} {text!r} is not an instant: write it as 2026-03-01, 2026-03-01T08:30 "
            "or 2026-03-01T08:30+01:00"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(timezone))
