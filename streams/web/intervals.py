"""The certainty of a conversion rate: intervals with the true rate 95 times of 100, for a look at mature deals."""

import math
from dataclasses import dataclass

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Interval:
    """A rate, or a difference of rates, between `low` and `high`."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the distance between the ends."""
        return (self.high - self.low) / 2


def rate_interval(converted: int, entered: int) -> Interval:
    """Return Wilson's interval of a rate. Nothing is known of a rate without an entry: 0 to 1.

    Example: 9 of 20 converted, and the rate lies between 25.8 % and 65.8 %.
    """
    if entered == 0:
        return Interval(0.0, 1.0)
    rate, spread = converted / entered, Z * Z / entered
    centre = rate + spread / 2
    half = Z * math.sqrt(rate * (1 - rate) / entered + spread / (4 * entered))
    return Interval(max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread)))


def change_interval(now: tuple[int, int], before: tuple[int, int]) -> Interval:
    """Return Newcombe's interval of the difference of two rates, each given as (converted, entered).

    Example: 56 of 70 now and 48 of 80 before: the rate rose by 5.2 to 33.4 points.
    """
    rate, former = _rate(now), _rate(before)
    here, there = rate_interval(*now), rate_interval(*before)
    change = rate - former
    return Interval(
        change - math.hypot(rate - here.low, there.high - former),
        change + math.hypot(here.high - rate, former - there.low),
    )


def _rate(counts: tuple[int, int]) -> float:
    converted, entered = counts
    return converted / entered if entered else 0.5
