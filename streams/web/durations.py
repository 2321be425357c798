"""The time from entry to conversion, as nearly as a profile tells it: to the length of a bucket.

A profile knows the buckets of entry and conversion. Within a bucket the instants are taken as evenly spread: a deal
that converts in the bucket of its entry has taken less than a bucket, with short times more probable; a deal that
converts d buckets later has taken d buckets, give or take one.
"""

from collections.abc import Sequence

from streams.web.model import Times

QUARTILES = (0.25, 0.5, 0.75)
_STEPS = 24
"""Halvings of an interval of twelve buckets: to a millionth of a bucket."""


def times_of(lags: Sequence[int], bucket_seconds: float) -> Times | None:
    """Return the quartiles of deals that converted 0, 1, 2, ... buckets after their entry; None without a deal.

    Example: 10 deals in the bucket of their entry, buckets of 300 s. Half of the deals take less than 88 s.
    """
    total = sum(lags)
    if not total:
        return None
    low, median, high = (_quantile(lags, total * part) * bucket_seconds for part in QUARTILES)
    return Times(low=low, median=median, high=high, is_exact=False)


def _quantile(lags: Sequence[int], wanted: float) -> float:
    least, most = 0.0, float(len(lags))
    for _ in range(_STEPS):
        middle = (least + most) / 2
        reached = sum(deals * _share(middle, lag) for lag, deals in enumerate(lags) if deals)
        least, most = (middle, most) if reached < wanted else (least, middle)
    return most


def _share(buckets: float, lag: int) -> float:
    """Return the share of the deals of a lag that take at most so many buckets."""
    ahead = buckets - lag
    if ahead >= 1:
        return 1.0
    if lag == 0:
        return 1 - (1 - ahead) ** 2
    if ahead <= -1:
        return 0.0
    return (1 + ahead) ** 2 / 2 if ahead <= 0 else 1 - (1 - ahead) ** 2 / 2
