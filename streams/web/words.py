"""Numbers, instants and names as people read them: the filters of the templates."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from streams.domain.duration import spell
from streams.web.model import Window

CAUSES = {
    "late_insert": "an entry was added",
    "backdate": "an entry was moved in time",
    "stage_moved": "an entry got another stage",
    "deal_merged": "an entry got another deal",
    "delete": "an entry was deleted",
    "tenant_or_pipeline_moved": "an entry got another tenant or pipeline",
    "pairs_changed": "the pairs of stages changed",
    "repair": "a repair",
    "unknown": "unknown: the log was read again",
}
"""The usual causes of a revision, in words. Other causes are shown as they are."""

_TOGETHER = "\N{NO-BREAK SPACE}"


def percent(rate: float | None) -> str:
    """Return a rate as `41.2 %`; an en dash without a rate."""
    return "–" if rate is None else f"{100 * rate:.1f}{_TOGETHER}%"


def points(change: float) -> str:
    """Return a difference of rates as `+1.3`, `−4.8` or `0.0` (percentage points)."""
    text = f"{100 * change:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def number(value: int) -> str:
    """Return a count as `4,812`."""
    return f"{value:,}"


def short(identifier: UUID) -> str:
    """Return the first eight digits of an identifier."""
    return str(identifier)[:8]


def stage(name: str | None, identifier: UUID) -> str:
    """Return a stage's name; the short identifier of a stage that is gone."""
    return name or f"stage {short(identifier)} (gone)"


def span(window: Window, timezone: str) -> str:
    """Return the window in the tenant's timezone, as `Tue 9 Jun 2026` or `Tue 9 Jun 2026, 10:00 – 11:00`."""
    zone = ZoneInfo(timezone)
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    day = f"{start:%a} {start.day} {start:%b %Y}"
    match window.window:
        case "day":
            return day
        case "week":
            return f"week of {day}"
        case "month":
            return f"{start:%B %Y}"
    clock = "%H:%M:%S" if start.second or end.second else "%H:%M"
    return f"{day}, {start:{clock}} – {end:{clock}}"


def brief(window: Window, timezone: str) -> str:
    """Return the beginning of the window for an axis, as `9 Jun` or `10:00`."""
    start = window.start.astimezone(ZoneInfo(timezone))
    if window.window in {"day", "week"}:
        return f"{start.day} {start:%b}"
    return f"{start:%b %Y}" if window.window == "month" else f"{start:%H:%M}"


def moment(instant: datetime | None, timezone: str) -> str:
    """Return an instant as `9 Jun 2026, 14:00:02`; an en dash without an instant."""
    if instant is None:
        return "–"
    local = instant.astimezone(ZoneInfo(timezone))
    return f"{local.day} {local:%b %Y, %H:%M:%S}"


def clock(instant: datetime, timezone: str) -> str:
    """Return the time of day of an instant as `14:05`, with the day where the time is midnight: `10 Jun, 00:00`."""
    local = instant.astimezone(ZoneInfo(timezone))
    form = "%H:%M:%S" if local.second else "%H:%M"
    is_midnight = not (local.hour or local.minute or local.second)
    return f"{local.day} {local:%b}, {local:{form}}" if is_midnight else f"{local:{form}}"


def lasting(seconds: float | None) -> str:
    """Return a length of time with two digits at least: `4.2 s`, `37 min`, `5.5 h`, `3.1 days`; a dash without one."""
    if seconds is None:
        return "–"
    units = ((100, 1, "s"), (6000, 60, "min"), (172_800, 3600, "h"), (math.inf, 86_400, "days"))
    unit, name = next((unit, name) for most, unit, name in units if seconds < most)
    value = seconds / unit
    return f"{value:.1f}{_TOGETHER}{name}" if value < 10 else f"{value:.0f}{_TOGETHER}{name}"


def capital(text: str) -> str:
    """Return the text with a capital at the beginning, and all else as it is."""
    return text[:1].upper() + text[1:]


def marked(text: str) -> Markup:
    """Return a sentence as HTML, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 and place < len(parts) - 1 else escape(part)
        for place, part in enumerate(parts)
    )


def machine(instant: datetime) -> str:
    """Return an instant for the attribute `datetime`."""
    return instant.astimezone(UTC).isoformat()


def causes(kinds: Sequence[str]) -> str:
    """Return the causes of revisions in words."""
    return "; ".join(CAUSES.get(kind, kind.replace("_", " ")) for kind in kinds)


FILTERS = {
    "percent": percent, "points": points, "number": number, "short": short, "span": span, "brief": brief,
    "moment": moment, "machine": machine, "causes": causes, "spell": spell,
    "capital": capital, "clock": clock, "lasting": lasting, "marked": marked,
}  # fmt: skip
