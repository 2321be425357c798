"""The smallest drop that a rule sees within a number of windows, at a pair's traffic.

The evidence grows by E[log E] a window on average, so a drop needs about ln A / E[log E] windows (Wald; with the drop
of the rule, E[log E] is the Kullback-Leibler divergence, and no detector with the same A is faster on average: Lorden,
Ann. Math. Statist. 1971, 42:1897). Example: at 200 entries, a rate of 20 % and a variation of 10 %, a drop of 30 %
needs about 6 windows. With 10 entries a drop of 30 % needs days of hours, or is never seen.
"""

from math import lgamma, log

import numpy as np

from streams.domain.detection.evidence import Priors, log1p_exp, log_sum
from streams.domain.detection.profile import Reals

_POINTS = 512
"""Numbers of conversions that are computed; beyond, every second or tenth stands for its neighbours."""
_DROPS = np.arange(0.05, 1.0, 0.01)


def smallest_drop(
    entered: int, rate: float, spread: float, drop: float, log_threshold: float, windows: float
) -> float | None:
    """Return the smallest relative fall that is seen within `windows` windows on average; None if no fall is.

    `entered` are the entries of a window, `rate` the expected conversion rate, `spread` the relative variance of the
    rate between windows, `drop` the drop of the rule.
    """
    growth = evidence_growth(entered, rate, spread, drop)
    seen = np.flatnonzero(growth * windows >= log_threshold + log(2))
    return float(_DROPS[seen[0]]) if len(seen) else None


def evidence_growth(entered: int, rate: float, spread: float, drop: float) -> Reals:
    """Return the mean growth of log S in a mature window, for each fall of 5 %, 6 %, ... 99 %."""
    done = np.unique(np.linspace(0, entered, min(entered + 1, _POINTS)).round())
    highest, deals = np.full(len(done), rate), np.full(len(done), float(entered))

    def log_chances(fall: float) -> Reals:
        """Return the logarithms of the probabilities under the null, under `fall`, and under a fall of 2 * `fall`."""
        priors = Priors.of(highest, np.full(len(done), spread), fall)
        logits = priors.grid(done, deals, highest)
        step = np.log(logits[:, 1] - logits[:, 0])
        likelihood = -done[:, None] * log1p_exp(-logits) - (entered - done)[:, None] * log1p_exp(logits)
        return log_sum(likelihood + priors.log_weights(logits)) + step

    null, *falls = log_chances(drop)
    log_e = np.stack(falls) - null
    choose = np.array([lgamma(entered + 1) - lgamma(k + 1) - lgamma(entered - k + 1) for k in done])
    truth = np.stack([choose + log_chances(fall)[1] for fall in _DROPS])
    weights = np.exp(truth - log_sum(truth)[:, None])
    growth: Reals = (weights @ log_e.T).max(1)
    return growth
