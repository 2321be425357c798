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
from math import lgamma

import numpy as np

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.expectation import MOST_LIKELY, Expectation, expectation, rates
from streams.domain.detection.profile import Flags, Profile, Reals, Rows
from streams.domain.detection.recent import Recent

TOLERATED = 0.05
"""The fall under which the null still holds: a twentieth is not worth an alert, and baselines are a little late."""
DEEPEST = 0.05
"""The least mean of theta under an alternative: a drop of 60 % is tested against 1 - 2d = 0.05, not -0.2."""
POINTS = 32
"""Points of a grid. The step is below half a standard deviation of what is summed, and the sum over the grid differs
from the integral by less than a millionth (trapezoidal rule for a bell curve)."""
_REACH = 6.0
"""Standard deviations that a grid reaches beyond the least and the greatest mean."""
_EDGE = 1e-5
"""The distance of a grid's probabilities from 0 and from 1."""
_MOST_SPREAD = 0.9
"""The greatest variance of a Beta distribution with mean m, as a share of m * (1 - m)."""
_MARGIN = 2.5
"""The null gives theta at most this much less weight, as a logarithm, where theta explains the deals as well as the
tolerated fall does. See `DropHypotheses.most`."""
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
        self, baseline: Baseline, recent: Recent, known: Reals, slot: int, now: float
    ) -> "DropHypotheses":
        """Return the hypotheses about a window in a seasonal slot.

        `known` is the relative variance of conversion rates between windows (n,); NaN where the variance is to be
        measured. `now` is the weight of a window that starts now.
        """
        pairs = len(known)
        expected = Expectation.empty(pairs)
        between = known.copy()
        for start in range(0, pairs, _CHUNK):
            some = slice(start, start + _CHUNK)
            sums = baseline[some]
            of = rates(sums, now)
            unknown = np.isnan(known[some])
            if unknown.any():
                measured = recent[some].conversion_variation(of.rate, of.factors)
                between[some] = np.where(unknown, measured, known[some])
            expected.put(some, expectation(sums, of, between[some], slot, now))
        return DropHypotheses(expected, between, self.drop)


@dataclass(frozen=True, slots=True)
class DropHypotheses:
    """What is expected of a window of many pairs, without a drop and with a drop."""

    expected: Expectation
    between: Reals
    """The variance between windows (n,)."""
    drop: float

    @property
    def learned(self) -> Flags:
        """The pairs with enough windows in the baseline."""
        return self.expected.learned

    def most(self, profile: Profile, age: int) -> Reals:
        """Return what the logarithms of both E-values cannot exceed (n,), at little cost.

        An E-value is at most the greatest L(theta) relative to the mean of L under the null, and the mean is about
        L(1 - TOLERATED) or more. For deals that are `equivalent` the greatest L is that of a binomial variable. The
        result is -inf at or above the tolerated rate. An E-value may be
        as much as 2 there, if rates vary by a third.
        """
        deals, converted, highest = equivalent(
            profile.converted_by(age), profile.waiting_at(age), self.expected.at(age)
        )
        waiting, rate, usual = deals - converted, converted / np.maximum(deals, 1e-9), (1 - TOLERATED) * highest
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(converted > 0, converted * np.log(rate / usual), 0.0)
            gain += waiting * np.log((1 - rate) / (1 - usual))
        return np.where((rate < usual) & self.learned, gain + _MARGIN, -np.inf)

    def log_e(self, profile: Profile, age: int, rows: Rows) -> Reals:
        """Return the logarithms of the E-values of some pairs at an age (2, rows), for drops of d and of 2d.

        The logarithms are 0 for a pair that is learning or that nobody entered.
        """
        found = np.zeros((2, len(rows)))
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            expected, priors = self.expected[some], Priors.of(self.expected[some], self.drop)
            converted, waiting = profile.converted_by(age)[some], profile.waiting_at(age)[some]
            logits = priors.grid(converted, waiting, expected.at(age))
            likelihood = log_likelihood(converted, waiting, expected, age, logits)
            null, *falls = (log_sum(likelihood + prior) for prior in priors.log_weights(logits))
            telling = expected.learned & ((converted + waiting).sum(1) > 0)
            found[:, start : start + _CHUNK] = np.where(telling, np.stack(falls) - null, 0.0)
        return found


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
    def of(cls, expected: Expectation, drop: float) -> "Priors":
        """Return the distributions for a rule about `drop`."""
        highest = np.maximum(expected.highest, 1e-9).astype(np.float64)
        rate = np.minimum(np.array([[1 - TOLERATED], *([mean] for mean in means(drop))]) * highest, MOST_LIKELY)
        variance = np.minimum(rate * rate * expected.spread, _MOST_SPREAD * rate * (1 - rate))
        size = rate * (1 - rate) / np.maximum(variance, 1e-12) - 1
        a, b = rate * size, (1 - rate) * size
        return cls(highest, rate, a, b, _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b))

    @property
    def deviation(self) -> Reals:
        """The standard deviations of the logits, nearly (3, n)."""
        deviation: Reals = np.sqrt(1 / self.a + 1 / self.b)
        return deviation

    def grid(self, converted: Reals, waiting: Reals, likely: Reals) -> Reals:
        """Return logits in equal steps (n, POINTS) that hold the bells of likelihood times weight.

        Near enough, the likelihood is a bell, too: that of a binomial variable in `equivalent` deals.
        """
        deals, done, highest = equivalent(converted, waiting, likely)
        share = (done + 0.5) / (deals + 1)
        rate = np.minimum(share * self.highest / highest, 1 - 1e-3)
        exactness = deals * share / (1 - share) * (1 - rate) ** 2
        prior = 1 / self.deviation**2
        deviation = 1 / np.sqrt(exactness + prior)
        middle = (exactness * _logit(rate) + prior * _logit(self.means)) * deviation**2
        least, most = (middle - _REACH * deviation).min(0), (middle + _REACH * deviation).max(0)
        logits: Reals = np.linspace(least, most, POINTS, axis=1)
        return logits

    def log_weights(self, logits: Reals) -> Reals:
        """Return the logarithms of the densities (3, n, points), alike up to the step of the grid."""
        below, above = -log1p_exp(-logits), -log1p_exp(logits)
        weights: Reals = self.a[:, :, None] * below + self.b[:, :, None] * above - self.log_total[:, :, None]
        return weights


def equivalent(converted: Reals, waiting: Reals, likely: Reals) -> tuple[Reals, Reals, Reals]:
    """Return deals, conversions and the probability (n,) of a binomial variable that tells nearly as much.

    The probability is the highest among the buckets of entry. A waiting deal with a smaller probability counts in
    proportion, and tells no more: log(1 - theta * F) is concave in F.
    """
    highest = np.maximum(likely.max(1), 1e-9).astype(np.float64)
    done = converted.sum(1).astype(np.float64)
    deals = done + (waiting * likely).sum(1) / highest
    return deals, done, highest


def log_likelihood(
    converted: Reals, waiting: Reals, expected: Expectation, age: int, logits: Reals
) -> Reals:
    """Return log L on a grid (n, points), from the deals by bucket of entry (n, age + 1)."""
    log_rate = -log1p_exp(-logits)
    theta = np.minimum(np.exp(log_rate), 1 - _EDGE) / np.maximum(expected.highest, 1e-9)[:, None]
    missed = expected.at(age)[:, :, None].astype(np.float32) * theta.astype(np.float32)[:, None, :]
    np.subtract(1, missed, out=missed)
    np.log(missed, out=missed)
    still_waiting = np.matmul(waiting[:, None, :], missed)[:, 0]
    likelihood: Reals = converted.sum(1)[:, None] * log_rate + still_waiting
    return likelihood


_log_gamma = np.vectorize(lgamma, otypes=[np.float64])


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
