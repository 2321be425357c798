"""The evidence of a window for a drop: how much better a drop explains what is visible than no drop does.

Let F[i, j] be the probability that a deal that entered in bucket i has converted by the end of bucket j, and let the
window's true rates be theta * F. With D deals converted by age j and u[i] not yet converted, the likelihood is

    L(theta) = theta^D * product of (1 - theta * F[i, j])^u[i]

Deals count for what they could have shown: a young window, and a late burst of entries, need no special case ("at risk"
conditioning: ter Schure, Perez-Ortiz, Ly, Gruenwald, NEJSDS 2024, 2:190).

Theta is itself random from window to window, with the shape of a Beta distribution on a grid: the beta-binomial model
of Hoehle (2010) for a mature window. Under the null theta has the mean 1 - TOLERATED; under the two alternatives
1 - d and 1 - 2d, for a rule about a drop d. An E-value is the mean of L under an alternative divided by the mean under
the null. As deals convert, an E-value is a martingale under the null: to look more often costs nothing (Ville's
inequality; Howard, Ramdas, McAuliffe, Sekhon, Ann. Statist. 2021, 49:1055).
"""

from dataclasses import dataclass

import numpy as np

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.expectation import MOST_LIKELY, Expectation, expectation, variation
from streams.domain.detection.profile import Flags, Profile, Reals
from streams.domain.detection.recent import Recent

TOLERATED = 0.05
"""The fall under which the null still holds: a twentieth is not worth an alert, and baselines are a little late."""
DEEPEST = 0.05
"""The least mean of theta under an alternative: a drop of 60 % is tested against 1 - 2d = 0.05, not -0.2."""
GRID: Reals = np.concatenate(
    (
        np.arange(0.02, 0.30, 0.04),
        np.arange(0.30, 1.20, 0.025),  # half of the least standard deviation between windows
        (1.20, 1.26, 1.34, 1.45, 1.6, 1.8, 2.1, 2.5),
    )
)
_WIDTH: Reals = np.gradient(GRID)
_LOG_GRID: Reals = np.log(GRID)
_MOST_SPREAD = 0.9
"""The greatest variance of a Beta distribution with mean m, as a share of m * (1 - m)."""
_CHUNK = 512
"""Pairs that are computed at once: the working memory stays in the processor's cache."""


def means(drop: float) -> tuple[float, float]:
    """Return the two means of theta under the alternative; `drop` is the rule's relative fall, in (0, 1)."""
    return max(1 - drop, DEEPEST), max(1 - 2 * drop, DEEPEST)


@dataclass(frozen=True, slots=True)
class DropTest:
    """The test for a relative fall `drop` of the conversion rate, in (0, 1)."""

    drop: float

    def variation(self, baseline: Baseline, recent: Recent) -> Reals:
        """Return the relative variance of conversion rates between windows (n,)."""
        return variation(baseline, recent)

    def hypotheses(self, baseline: Baseline, between: Reals, slot: int) -> "DropHypotheses":
        """Return the hypotheses about a window in a seasonal slot; `between` is the variation."""
        expected = expectation(baseline, between, slot)
        null, once, twice = (
            log_prior(mean, expected.highest, expected.spread) for mean in (1 - TOLERATED, *means(self.drop))
        )
        return DropHypotheses(expected, null, (once, twice))


@dataclass(frozen=True, slots=True)
class DropHypotheses:
    """What is expected of a window, and logarithms of theta's weights on GRID (n, grid) under the hypotheses."""

    expected: Expectation
    null: Reals
    alternatives: tuple[Reals, Reals]

    @property
    def learned(self) -> Flags:
        """The pairs with enough windows in the baseline."""
        return self.expected.learned

    def log_e(self, profile: Profile, age: int) -> Reals:
        """Return the logarithms of the E-values at an age (2, n), for drops of d and of 2d.

        The logarithms are 0 for a pair that is learning or that nobody entered.
        """
        found = np.zeros((2, len(profile.entered)))
        rows = np.flatnonzero(self.learned & (profile.entered[:, : age + 1].sum(1) > 0))
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            likelihood = log_likelihood(profile[some], self.expected.by_age[some], age)
            null = log_sum(likelihood + self.null[some])
            for drop, alternative in enumerate(self.alternatives):
                found[drop, some] = log_sum(likelihood + alternative[some]) - null
        return found


def log_prior(mean: float, highest: Reals, spread: Reals) -> Reals:
    """Return the logarithms of theta's weights on GRID (n, grid): theta * highest has the shape of a Beta."""
    rate = np.minimum(mean * highest, MOST_LIKELY)
    variance = np.minimum(rate * rate * spread, _MOST_SPREAD * rate * (1 - rate))
    size = rate * (1 - rate) / np.maximum(variance, 1e-12) - 1
    at = GRID * highest[:, None]
    possible = at < 1
    density = (rate * size - 1)[:, None] * np.log(np.maximum(at, 1e-300))
    density += ((1 - rate) * size - 1)[:, None] * np.log1p(-np.where(possible, at, 0.0))
    weighed = np.where(possible, density + np.log(_WIDTH), -np.inf)
    return weighed - log_sum(weighed)[:, None]


def log_likelihood(profile: Profile, by_age: Reals, age: int) -> Reals:
    """Return log L(theta) on GRID (n, grid) of what is visible at an age."""
    converted = profile.converted_by(age)
    waiting = (profile.entered[:, : age + 1] - converted).astype(np.float64)
    likely = np.minimum(by_age[:, : age + 1, age, None] * GRID, 1 - 1e-9)
    still_waiting = np.matmul(waiting[:, None, :], np.log1p(-likely))[:, 0]
    likelihood: Reals = converted.sum(1)[:, None] * _LOG_GRID + still_waiting
    return likelihood


def log_sum(logarithms: Reals) -> Reals:
    """Return the logarithm of the sum along the last axis."""
    most = logarithms.max(-1)
    total: Reals = most + np.log(np.exp(logarithms - most[..., None]).sum(-1))
    return total
