"""Numbers, instants and names as people read them: the filters of the templates."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from streams.domain.duration import spell
from streams.web.finding_model import Repair
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

FAULTS = {
    "lost": "lost in capture: the log has no record of a row of the CRM",
    "ghost": "ghost: a row is counted that the CRM has no more",
    "stale": "stale version: the log has an older version of a row",
    "dead_letter": "dead letter: the last event of a row could not be applied",
    "wrong_partition": "wrong partition: the rows of a deal lie in several partitions of the log",
    "missing_in_state": "missing in the state: a worker does not have a deal as the log has the deal",
    "partial_edited": "count edited: a worker has the deals right, and the count in Postgres is another",
    "fact_edited": "fact edited: the result is not the result that was published",
    "run_deleted": "result deleted: the run that should be the last one is missing",
    "run_added": "result added: no worker has published the run",
    "pairs_changed": "pairs changed: the run has other pairs of stages than when the run was published",
    "sealed": "past retention: the window keeps its result, and is not corrected any more",
    "unknown": "unknown: no known fault fits",
}
"""The faults of findings, in words."""

OUTCOMES = {
    "equal": "equal to the SQL afterwards",
    "different": "still different afterwards",
    "undecided": "not compared in time afterwards",
    "failed": "failed",
    None: "at work",
}
"""The outcomes of repairs, in words."""

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


def fault(kind: str) -> str:
    """Return a fault of a finding in words."""
    return FAULTS[kind]


def fault_name(kind: str) -> str:
    """Return the name of a fault: what stands before the colon of its words."""
    return FAULTS[kind].partition(":")[0]


def mended(repair: Repair) -> str:
    """Return what a repair does, as `Lost in capture: 2 deals restated in the log, 3 windows published anew`."""
    done = [
        *(
            [_counted(repair.deals, "deal restated in the log", "deals restated in the log")]
            * bool(repair.deals)
        ),
        *(["counts compared"] * bool(repair.recounts)),
        *(
            [_counted(repair.windows, "window published anew", "windows published anew")]
            * bool(repair.windows)
        ),
    ]
    every = repair.deals + repair.recounts + repair.windows
    left = f"; {repair.left_undone:,} of {every:,} not done" if repair.left_undone else ""
    return capital(f"{', '.join(map(fault_name, repair.faults))}: {', '.join(done)}{left}")


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def outcome(kind: str | None) -> str:
    """Return the outcome of a repair in words."""
    return OUTCOMES[kind]


FILTERS = {
    "percent": percent, "points": points, "number": number, "short": short, "span": span, "brief": brief,
    "moment": moment, "machine": machine, "causes": causes, "spell": spell,
    "capital": capital, "clock": clock, "lasting": lasting, "marked": marked,
    "fault": fault, "fault_name": fault_name, "outcome": outcome, "mended": mended,
}  # fmt: skip
