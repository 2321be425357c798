"""Exact intervals of 95 % for what a simulation counts. Each end is wrong in at most one of 40 simulations."""

from collections.abc import Callable, Sequence
from math import exp, fsum, inf, lgamma, log, log1p

_TAIL = 0.025


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the interval of the mean of a Poisson variable that was `count` (Garwood, Biometrika 1936, 28:437).

    Example: no alarm in 10 months gives 0 to 3.69 alarms, at most 0.37 a month.
    """

    def at_most(k: int, mean: float) -> float:
        return fsum(exp(i * log(mean) - mean - lgamma(i + 1)) for i in range(k + 1))

    most = count + 20 + 10 * count**0.5
    low = 0.0 if count == 0 else _root(lambda mean: at_most(count - 1, mean) - (1 - _TAIL), 1e-9, most)
    return low, _root(lambda mean: at_most(count, mean) - _TAIL, 1e-9, most)


def share_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the interval of the probability of `hits` in `trials` (Clopper, Pearson, Biometrika 1934, 26:404)."""

    def at_most(k: int, chance: float) -> float:
        return _binomial_at_most(k, trials, chance)

    if trials == 0:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else _root(lambda p: at_most(hits - 1, p) - (1 - _TAIL), 1e-12, 1 - 1e-12)
    high = 1.0 if hits == trials else _root(lambda p: at_most(hits, p) - _TAIL, 1e-12, 1 - 1e-12)
    return low, high


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the interval of the median, from order statistics; 0 and infinity where the values are too few.

    Values are positive; infinity stands for what was never seen.
    """
    ordered, count = sorted(values), len(values)
    rank = 0
    while rank < count and _binomial_at_most(rank, count, 0.5) <= _TAIL:
        rank += 1
    return (ordered[rank - 1], ordered[count - rank]) if rank else (0.0, inf)


def _binomial_at_most(k: int, trials: int, chance: float) -> float:
    return fsum(
        exp(
            lgamma(trials + 1)
            - lgamma(i + 1)
            - lgamma(trials - i + 1)
            + i * log(chance)
            + (trials - i) * log1p(-chance)
        )
        for i in range(k + 1)
    )


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function is 0."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
