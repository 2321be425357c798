"""The smallest drop that a rule sees within a number of windows, at a pair's traffic.

The evidence grows by E[log E] a window on average, so a drop needs about ln A / E[log E] windows (Wald; with the drop
of the rule, E[log E] is the Kullback-Leibler divergence, and no detector with the same A is faster on average: Lorden,
Ann. Math. Statist. 1971, 42:1897). Example: at 200 entries, a rate of 20 % and a variation of 10 %, a drop of 30 %
needs about 6 windows. With 10 entries a drop of 30 % needs days of hours, or is never seen.
"""

from math import log, sqrt

import numpy as np

from streams.domain.detection.evidence import Priors, log1p_exp, log_gamma, log_sum, means
from streams.domain.detection.profile import Reals
from streams.domain.detection.tolerance import TOLERATED
from streams.domain.detection.traffic import log_marginal

_POINTS = 128
"""Numbers of conversions that are computed; beyond, each stands for its neighbours."""
_REACH = 8
"""Standard deviations above the mean from which on conversions do not matter."""
_DROPS = np.arange(0.05, 1.0, 0.01)
_RAREST = 1e-6
"""The smallest rate that is computed: a rate of 0 has no drop."""


def smallest_drop(growth: Reals, log_threshold: float, windows: float) -> float | None:
    """Return the smallest relative fall that is seen within `windows` windows on average; None if no fall is.

    `growth` is what `evidence_growth` or `traffic_growth` returns.
    """
    seen = np.flatnonzero(growth * windows >= log_threshold + log(2))
    return float(_DROPS[seen[0]]) if len(seen) else None


def evidence_growth(entered: int, rate: float, spread: float, drop: float) -> Reals:
    """Return the mean growth of log S in a mature window, for each fall of 5 %, 6 %, ... 99 %.

    `entered` are the entries of a window, `rate` the expected conversion rate, `spread` the relative variance of the
    rate between windows, `drop` the drop of the rule.
    """
    rate = max(rate, _RAREST)
    done = _numbers(entered * rate, entered * rate, spread, entered)
    highest, deals = np.full(len(done), rate), np.full(len(done), float(entered))

    def log_chances(fall: float) -> Reals:
        """Return the logarithms of the probabilities under the null, under `fall`, and under a fall of 2 * `fall`."""
        priors = Priors.of(highest, np.full(len(done), spread), fall)
        logits = priors.grid(done, deals, highest)
        step = np.log(logits[:, 1] - logits[:, 0])
        likelihood = -done[:, None] * log1p_exp(-logits) - (entered - done)[:, None] * log1p_exp(logits)
        return log_sum(likelihood + priors.log_weights(logits)) + step

    null, *falls = log_chances(drop)
    choose = log_gamma(np.full(1, entered + 1.0)) - log_gamma(done + 1.0) - log_gamma(entered - done + 1.0)
    truth = np.stack([choose + log_chances(fall)[1] for fall in _DROPS])
    return _growth(np.stack(falls) - null, truth)


def traffic_growth(expected: float, dispersion: float, spread: float, drop: float) -> Reals:
    """Return the mean growth of log S in a window, for each fall of the entries by 5 %, 6 %, ... 99 %.

    `expected` are the entries of a window, `spread` the relative variance between windows, `dispersion` the variance
    within a window relative to a Poisson variable: see `traffic`.
    """
    mean, of_pair = max(expected / dispersion, _RAREST), np.full(1, spread)
    entries = _numbers(mean, mean, spread, None)

    def log_chance(fall: float) -> Reals:
        return log_marginal(entries, np.full(1, mean), of_pair, 1 - fall)

    log_e = np.stack([log_chance(1 - left) for left in means(drop)]) - log_chance(TOLERATED)
    shape = 1 / spread
    choose = log_gamma(entries + shape) - log_gamma(entries + 1.0) + entries * log(mean)
    return _growth(log_e, np.stack([choose + log_chance(fall) for fall in _DROPS]))


def _numbers(mean: float, chance: float, spread: float, most: int | None) -> Reals:
    """Return the numbers of a window that matter: whole numbers from 0 on."""
    last = mean + _REACH * sqrt(chance + mean**2 * spread) + _REACH
    last = last if most is None else min(last, most)
    return np.unique(np.linspace(0, last, min(int(last) + 1, _POINTS)).round())


def _growth(log_e: Reals, log_truth: Reals) -> Reals:
    """Return for each truth the greater one of the means of both logarithms."""
    weights = np.exp(log_truth - log_sum(log_truth)[:, None])
    growth: Reals = (weights @ log_e.T).max(1)
    return growth
