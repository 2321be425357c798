"""The e-CUSUM: evidence over windows, and the threshold that keeps false alarms within a budget.

After every window S = max(1, S) * E, for each of the two alternatives; the evidence is the mean of the two S. An alert
fires when the evidence reaches the threshold A. Under the null the mean number of windows until then is at least A
(Shin, Ramdas, Rinaldo, "E-detectors", arXiv 2203.03532; a mean of e-detectors is an e-detector). With one A for all
pairs of a pipeline, A = pairs * windows a month / budget, at most `budget` false alarms a pipeline and month are
expected. Example: hours, five pairs, one false alarm a month: A = 5 * 730.5 / 1 = 3652.

An alert resolves by the same means: R = max(1, R) / E, with the E of the alternative d, is an e-CUSUM of the recovery,
because 1 / E is an E-value where the rate has fallen by d or more. The alert resolves when R reaches RECOVERED.
"""

from math import log

import numpy as np

from streams.domain.detection.profile import Reals

RECOVERED = 100.0
"""Evidence for a recovery. A drop that lasts is called resolved by mistake at most once in 100 windows on average."""
MONTH = 30.4375 * 86_400e6
"""Microseconds of a month: a twelfth of 365.25 days."""


def log_threshold(pairs: int, window: int, budget: float) -> float:
    """Return log A for windows of a length in microseconds and `budget` false alarms a pipeline and month.

    Raises ValueError unless pairs, window and budget are positive. A is at least 1: a budget beyond one false alarm
    for each window asks for no evidence.
    """
    if pairs < 1 or window < 1 or not budget > 0:
        raise ValueError("a threshold needs a pair, a window and a budget above 0")
    return max(0.0, log(pairs * MONTH / window / budget))


def log_evidence(log_s: Reals, log_e: Reals) -> Reals:
    """Return the logarithm of the evidence, the mean of both S (n,), from S of the windows before and E (2, n)."""
    evidence: Reals = np.logaddexp(*(np.maximum(log_s, 0.0) + log_e)) - np.log(2)
    return evidence
