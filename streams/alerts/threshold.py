"""The evidence at which a rule fires, from the budget of false alarms."""

from datetime import timedelta

from streams.domain.windows import MICROSECOND, window_kind

MONTH = timedelta(days=30)
"""A month of a budget."""
_CALENDAR = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": MONTH,
}


def windows_a_month(window: str) -> float:
    """Return the number of windows of the kind `window` in 30 days: 720 of `hour`, 30 of `day`, 4320 of `10m`.

    A calendar month counts as 30 days. Raises ValueError for a name that is no window kind.
    """
    length = _CALENDAR.get(window)
    if length is None:
        length = (window_kind(window, "UTC").length or 0) * MICROSECOND
    return MONTH / length


def threshold(pairs: int, window: str, budget: float) -> float:
    """Return the evidence A at which a rule fires for one of `pairs` streams of a pipeline.

    `budget` is the number of false alarms that a pipeline may have in 30 days. Without a drop, evidence that starts
    anew with every window reaches A in one of A windows at most (the average run length is at least A). All streams
    together therefore stay within the budget if A = pairs * windows a month / budget. Example: five pairs, hourly
    windows and one false alarm a month give 5 * 720 / 1 = 3600. Raises ValueError unless `pairs` and `budget` are
    above 0.
    """
    if pairs < 1 or budget <= 0:
        raise ValueError("a threshold needs at least one pair and a budget above 0")
    return pairs * windows_a_month(window) / budget
