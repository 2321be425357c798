"""Entries in fewer numbers: a rate that changes smoothly over a window is known by the rates at five buckets.

Let r[b] be the conversion rate of deals that entered in bucket b. Between the KNOTS a straight line stands for r, so
the expected conversions, the sum of entered[b] * r[b], need five sums of entries instead of twelve. The knots are dense
where a rate falls: at the end of a window.
"""

import numpy as np

from streams.domain.detection.profile import BUCKETS, Counts, Reals

KNOTS = (0, 5, 8, 10, 11)
"""Buckets of entry at which a rate is taken."""
_HATS = np.stack([np.interp(np.arange(BUCKETS), KNOTS, unit) for unit in np.eye(len(KNOTS))], axis=1).astype(
    np.float32
)


def at_knots(entered: Counts) -> Reals:
    """Return entries by bucket (n, 12) as entries by knot (n, 5). The total stays the same."""
    by_knot: Reals = entered.astype(np.float32) @ _HATS
    return by_knot


def knots_of(rate: Reals) -> Reals:
    """Return rates by bucket of entry (n, 12) at the knots (n, 5)."""
    return rate[:, list(KNOTS)]
