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
from math import log, tau

import numpy as np

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.decay import Moment
from streams.domain.detection.expectation import MOST_LIKELY, Expectation, expectation, rates
from streams.domain.detection.profile import BUCKETS, Flags, Profile, Reals, Rows
from streams.domain.detection.recent import Recent
from streams.domain.detection.tolerance import TOLERATED

DEEPEST = 0.05
"""The least mean of theta under an alternative: a drop of 60 % is tested against 1 - 2d = 0.05, not -0.2."""
POINTS = 32
"""Points of a grid. The step is below half a standard deviation of what is summed, and the sum over the grid differs
from the integral by less than a millionth (trapezoidal rule for a bell curve)."""
_REACH = 6.0
"""Standard deviations that a grid reaches beyond the least and the greatest mean."""
_HALF_LOG_TAU = log(tau) / 2
_STEPS = np.linspace(0.0, 1.0, POINTS)
_EDGE = 1e-5
"""The distance of a grid's probabilities from 0 and from 1."""
_MOST_SPREAD = 0.9
"""The greatest variance of a Beta distribution with mean m, as a share of m * (1 - m)."""
_MARGIN, _LOWER_MARGIN = 1.5, 3.0
"""A mean of L over theta is at most so much less than L at the mean of theta, as a logarithm, where theta varies by up
to a third. See `DropHypotheses.bounds`."""
_EVERY = np.ones(BUCKETS, np.float32)
_CHUNK = 256
"""Pairs that are computed at once: the working memory stays in the processor's cache."""


def means(drop: float) -> tuple[float, float]:
    """Return the two means of theta under the alternative; `drop` is the rule's relative fall, in (0, 1)."""
    return max(1 - drop, DEEPEST), max(1 - 2 * drop, DEEPEST)


@dataclass(frozen=True, slots=True)
class DropTest:
    """The test for a relative fall `drop` of the conversion rate, in (0, 1)."""

    drop: float

    def hypotheses(
        self, baseline: Baseline, recent: Recent, known: Reals, moment: Moment
    ) -> "DropHypotheses":
        """Return the hypotheses about a window; `known` is `DropHypotheses.measured`, NaN where to be measured anew."""
        pairs = known.shape[1]
        expected, measured = Expectation.empty(pairs), known.copy()
        for start in range(0, pairs, _CHUNK):
            some = slice(start, start + _CHUNK)
            sums = baseline[some]
            of = rates(sums, moment)
            unknown = np.isnan(known[0, some])
            if unknown.any():
                anew = recent[some].conversions_measured(of.rate, of.factors, moment.half_life)
                measured[:, some] = np.where(unknown, anew, known[:, some])
            expected.put(some, expectation(sums, of, measured[:, some], moment))
        return DropHypotheses.of(expected, measured, self.drop)


@dataclass(frozen=True, slots=True)
class DropHypotheses:
    """The expectations of a window of many pairs, without a drop and with a drop."""

    expected: Expectation
    measured: Reals
    """The measurements of the last windows (3, n): see `recent.Recent`."""
    drop: float
    highest: Reals
    """The highest probability of a conversion at each age (12, n)."""

    @classmethod
    def of(cls, expected: Expectation, measured: Reals, drop: float) -> "DropHypotheses":
        """Return the hypotheses of a rule about `drop`."""
        return cls(expected, measured, drop, np.maximum(_greatest(expected.likely), 1e-9))

    @property
    def learned(self) -> Flags:
        """The pairs with enough windows in the baseline."""
        return self.expected.learned

    def bounds(self, profile: Profile, ages: slice) -> tuple[Reals, Reals]:
        """Return by age what log E cannot exceed, and what log E for d cannot fall below (ages, n).

        The bounds cost little. An E-value is at most the greatest L(theta) relative to the mean of L under the null,
        and the mean is about L(1 - TOLERATED) or more. For deals that are `equivalent` the greatest L is that of a
        binomial variable. In the same way the inverse of an E-value is bounded with L(1 - d). The first result is -inf
        at or above the tolerated rate: an E-value may be as much as 2 there, if rates vary by a third. The second
        result is inf where the rate has fallen by d or more.
        """
        most, least = np.empty((2, *self.highest[ages].shape))
        for start in range(0, most.shape[1], _CHUNK):
            some = slice(start, start + _CHUNK)
            most[:, some], least[:, some] = self._bounds(profile[some], ages, some)
        return most, least

    def _bounds(self, profile: Profile, ages: slice, pairs: slice) -> tuple[Reals, Reals]:
        by, highest = profile.by_age(ages), self.highest[ages, pairs]
        done, waiting = by @ _EVERY, profile.entered.astype(np.float32) - by  # counts: exact in any order
        deals = equivalent(done, waiting, self.expected.likely[ages, pairs], highest)
        rate = done / np.maximum(deals, 1e-9)
        left, usual, fallen = deals - done, (1 - TOLERATED) * highest, means(self.drop)[0] * highest
        with np.errstate(divide="ignore", invalid="ignore"):
            peak = np.where(done > 0, done * np.log(rate), 0) + np.where(left > 0, left * np.log1p(-rate), 0)
        gain, loss = (peak - done * np.log(at) - left * np.log1p(-at) for at in (usual, fallen))
        most = np.where((rate < usual) & self.learned[pairs], gain + _MARGIN, -np.inf)
        return most, np.where(rate > fallen, -loss - _LOWER_MARGIN, np.inf)

    def log_e(self, profile: Profile, ages: Rows, pairs: Rows) -> Reals:
        """Return the logarithms of the E-values of pairs at ages (2, k), for drops of d and of 2d.

        The logarithms are 0 for a pair that is learning or that nobody entered.
        """
        found = np.zeros((2, len(pairs)))
        for start in range(0, len(pairs), _CHUNK):
            some = slice(start, start + _CHUNK)
            found[:, some] = self._log_e(profile, ages[some], pairs[some])
        return found

    def _log_e(self, profile: Profile, ages: Rows, pairs: Rows) -> Reals:
        expected = self.expected
        priors = Priors.of(expected.highest[pairs], expected.spread[pairs], self.drop)
        of_pairs = profile[pairs]
        by = of_pairs.at(ages)
        done, waiting = by.sum(1), of_pairs.entered.astype(np.float32) - by
        likely, highest = expected.likely[ages, pairs], self.highest[ages, pairs]
        deals = equivalent(done, waiting, likely, highest)
        logits = priors.grid(done, deals, highest)
        likelihood = log_likelihood(done, waiting, likely, priors.highest, logits)
        null, *falls = (log_sum(likelihood + prior) for prior in priors.log_weights(logits))
        return np.where(expected.learned[pairs] & (deals > 0), np.stack(falls) - null, 0.0)


@dataclass(frozen=True, slots=True)
class Priors:
    """The distributions of rate = theta * highest under the null and both alternatives (3, n): Beta(a, b) each.

    Grids are made of logits, log(rate / (1 - rate)), on which a Beta density is a bell curve with thin tails.
    """

    highest: Reals
    means: Reals
    a: Reals
    b: Reals
    log_total: Reals
    """The logarithm of the integral of rate^a (1 - rate)^b over the logits: log B(a, b)."""

    @classmethod
    def of(cls, highest: Reals, spread: Reals, drop: float) -> "Priors":
        """Return the distributions for a rule about `drop`."""
        highest = np.maximum(highest, 1e-9).astype(np.float64)
        rate = np.minimum(
            np.array([[1 - TOLERATED], *([mean] for mean in means(drop))]) * highest, MOST_LIKELY
        )
        variance = np.minimum(rate * rate * spread, _MOST_SPREAD * rate * (1 - rate))
        size = rate * (1 - rate) / np.maximum(variance, 1e-12) - 1
        a, b = rate * size, (1 - rate) * size
        of_a, of_b, of_both = log_gamma(np.stack((a, b, a + b)))
        return cls(highest, rate, a, b, of_a + of_b - of_both)

    @property
    def deviation(self) -> Reals:
        """The standard deviations of the logits, nearly (3, n)."""
        deviation: Reals = np.sqrt(1 / self.a + 1 / self.b)
        return deviation

    def grid(self, done: Reals, deals: Reals, highest: Reals) -> Reals:
        """Return logits in equal steps (n, POINTS) that hold the bells of likelihood times weight.

        Near enough, the likelihood is a bell, too: that of a binomial variable with `done` of `deals` conversions.
        """
        deals = deals.astype(np.float64)
        share = (done + 0.5) / (deals + 1)
        rate = np.minimum(share * self.highest / highest, 1 - 1e-3)
        exactness = deals * share / (1 - share) * (1 - rate) ** 2
        prior = 1 / self.deviation**2
        deviation = 1 / np.sqrt(exactness + prior)
        middle = (exactness * _logit(rate) + prior * _logit(self.means)) * deviation**2
        least, most = (middle - _REACH * deviation).min(0), (middle + _REACH * deviation).max(0)
        logits: Reals = least[:, None] + (most - least)[:, None] * _STEPS
        return logits

    def log_weights(self, logits: Reals) -> Reals:
        """Return the logarithms of the densities (3, n, points), alike up to the step of the grid."""
        below, above = -log1p_exp(-logits), -log1p_exp(logits)
        weights: Reals = self.a[:, :, None] * below + self.b[:, :, None] * above - self.log_total[:, :, None]
        return weights


def _greatest(likely: Reals) -> Reals:
    """Return the greatest of the last axis, which has BUCKETS places: by halves, four times as fast as `max`."""
    greatest = np.empty(likely.shape[:2], likely.dtype)
    for start in range(0, likely.shape[1], _CHUNK):
        some = likely[:, start : start + _CHUNK]
        half = np.maximum(some[..., : BUCKETS // 2], some[..., BUCKETS // 2 :])
        part = np.maximum(half[..., : BUCKETS // 4], half[..., BUCKETS // 4 :])
        greatest[:, start : start + _CHUNK] = np.maximum(np.maximum(part[..., 0], part[..., 1]), part[..., 2])
    return greatest


def equivalent(done: Reals, waiting: Reals, likely: Reals, highest: Reals) -> Reals:
    """Return the number of deals (...,) of a binomial variable that tells nearly as much as the deals.

    The variable has the probability `highest`, the highest among the buckets of entry. A waiting deal with a smaller
    probability counts in proportion, and tells no more: log(1 - theta * F) is concave in F.
    """
    deals: Reals = done + (waiting * likely).sum(-1) / highest
    return deals


def log_likelihood(done: Reals, waiting: Reals, likely: Reals, highest: Reals, logits: Reals) -> Reals:
    """Return log L on a grid (n, points), up to a constant, from deals and probabilities by bucket of entry (n, 12)."""
    log_rate = -log1p_exp(-logits)
    theta = np.minimum(np.exp(log_rate), 1 - _EDGE) / highest[:, None]
    missed = likely[:, :, None] * theta.astype(np.float32)[:, None, :]
    np.subtract(1, missed, out=missed)
    np.log(missed, out=missed)
    still_waiting = np.matmul(waiting[:, None, :], missed)[:, 0]
    likelihood: Reals = done[:, None] * log_rate + still_waiting
    return likelihood


def log_gamma(x: Reals) -> Reals:
    """Return the logarithm of the Gamma function of positive numbers, by Stirling's series from x + 8 on.

    The error is below 1e-9 (Abramowitz, Stegun, Handbook of Mathematical Functions, 6.1.41).
    """
    below = x.copy()
    for step in range(1, 8):
        below *= x + step
    far = x + 8
    series = 1 / (12 * far) - 1 / (360 * far**3) + 1 / (1260 * far**5)
    value: Reals = (far - 0.5) * np.log(far) - far + _HALF_LOG_TAU + series - np.log(below)
    return value


def _logit(rate: Reals) -> Reals:
    logit: Reals = np.log(rate) - np.log1p(-rate)
    return logit


def log1p_exp(logits: Reals) -> Reals:
    """Return log(1 + exp(logit)): minus the logarithm of one less the rate."""
    result: Reals = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
    return result


def log_sum(logarithms: Reals) -> Reals:
    """Return the logarithm of the sum along the last axis."""
    most = logarithms.max(-1)
    total: Reals = most + np.log(np.exp(logarithms - most[..., None]).sum(-1))
    return total
