"""The test for traffic: nobody enters any more.

Entries of a window are Poisson with the mean theta * M, where M is expected by the age of the look, and theta is random
from window to window: a Gamma variable with the variance between windows. The likelihood of n entries is then negative
binomial, in closed form (Gamma-Poisson). Entries come in bursts, more so than a Poisson variable: n and M are divided
by the dispersion within windows, as in a quasi-likelihood (McCullagh, Nelder, Generalized Linear Models 1989, 9.2).
"""

from dataclasses import dataclass

import numpy as np

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.decay import Moment
from streams.domain.detection.evidence import means
from streams.domain.detection.expectation import LEARNING, LEARNING_SLOT
from streams.domain.detection.profile import BUCKETS, Flags, Profile, Reals, Rows
from streams.domain.detection.recent import Recent
from streams.domain.detection.tolerance import TOLERATED

_PSEUDO_ENTRIES = 20.0


@dataclass(frozen=True, slots=True)
class TrafficTest:
    """The test for a relative fall `drop` of the entries, in (0, 1)."""

    drop: float

    def hypotheses(
        self, baseline: Baseline, recent: Recent, known: Reals, moment: Moment
    ) -> "TrafficHypotheses":
        """Return the hypotheses about a window; the parameters as in `DropTest.hypotheses`."""
        pseudo, slot = _PSEUDO_ENTRIES * moment.weight, moment.slot
        per_slot, shares = _per_slot(baseline, pseudo), _shares(baseline, pseudo)
        dispersion, measured = _dispersion(baseline, shares), known
        if np.isnan(known[0]).any():
            anew = recent.entries_measured(per_slot, dispersion, moment.half_life)
            measured = np.where(np.isnan(known[0]), anew, known)
        between, level, doubt = measured
        weight = baseline.weight[:, slot]
        alike = np.maximum(weight, 1e-9) / np.maximum(baseline.weight_squared[:, slot], 1e-18)
        windows = weight * alike
        entries = np.maximum(baseline.slot_entered[:, slot].sum(1), 0.0) * alike
        estimate = doubt + dispersion / (entries + _PSEUDO_ENTRIES)
        return TrafficHypotheses(
            learned=(baseline.windows >= LEARNING) & (windows > LEARNING_SLOT - 0.5),
            by_age=(per_slot[:, slot] * level)[:, None] * np.cumsum(shares, axis=1),
            spread=between * (1 + 1 / np.maximum(windows, 1.0)) + estimate,
            dispersion=dispersion,
            measured=measured,
            drop=self.drop,
        )


@dataclass(frozen=True, slots=True)
class TrafficHypotheses:
    """The expectations of a window's entries."""

    learned: Flags
    """The pairs with enough windows in the baseline."""
    by_age: Reals
    """Expected entries up to the end of each bucket (n, 12)."""
    spread: Reals
    """The variance of theta (n,)."""
    dispersion: Reals
    """The variance of entries within a window, relative to a Poisson variable (n,)."""
    measured: Reals
    """The measurements of the last windows (3, n): see `recent.Recent`."""
    drop: float

    def __getitem__(self, pairs: slice | Rows) -> "TrafficHypotheses":
        """Return what is expected of some pairs."""
        return TrafficHypotheses(
            self.learned[pairs],
            self.by_age[pairs],
            self.spread[pairs],
            self.dispersion[pairs],
            self.measured[:, pairs],
            self.drop,
        )

    def bounds(self, profile: Profile, ages: slice) -> tuple[Reals, Reals]:
        """Return by age the greater one of the logarithms of both E-values, and the first (ages, n).

        The first result is -inf while learning, the second inf where the entries have fallen by d or more.
        """
        at, pairs = np.indices((BUCKETS, len(self.learned)))[:, ages]
        found = self.log_e(profile, at.ravel(), pairs.ravel()).reshape(2, *at.shape)
        entries = np.cumsum(profile.entered, axis=1).T[ages]
        recovering = entries > means(self.drop)[0] * self.by_age.T[ages]
        return np.where(self.learned, found.max(0), -np.inf), np.where(recovering, found[0], np.inf)

    def log_e(self, profile: Profile, ages: Rows, pairs: Rows) -> Reals:
        """Return the logarithms of the E-values of pairs at ages (2, k), for falls of d and of 2d; 0 while learning."""
        dispersion, spread = self.dispersion[pairs], self.spread[pairs]
        entries = np.cumsum(profile.entered, axis=1)[pairs, ages] / dispersion
        expected = self.by_age[pairs, ages] / dispersion
        null = log_marginal(entries, expected, spread, 1 - TOLERATED)
        falls = [log_marginal(entries, expected, spread, mean) - null for mean in means(self.drop)]
        return np.where(self.learned[pairs], np.stack(falls), 0.0)


def log_marginal(entries: Reals, expected: Reals, spread: Reals, mean: float) -> Reals:
    """Return the logarithm of the probability of the entries, without the terms that do not depend on `mean`."""
    shape = 1 / spread.astype(np.float64)
    rate = shape / mean
    log_marginal: Reals = shape * np.log(rate) - (shape + entries) * np.log(rate + expected)
    return log_marginal


def _per_slot(baseline: Baseline, pseudo: float) -> Reals:
    """Return the expected entries of a window by slot (n, slots), pulled to the mean over all slots."""
    entered, weight = np.maximum(baseline.slot_entered.sum(2), 0.0), baseline.weight
    mean = (entered.sum(1) / np.maximum(weight.sum(1), 1e-9))[:, None]
    per_slot: Reals = mean * (entered + pseudo) / (weight * mean + pseudo)
    return per_slot


def _shares(baseline: Baseline, pseudo: float) -> Reals:
    """Return the shares of the buckets in a window's entries (n, 12), pulled to equal shares."""
    entered = np.maximum(baseline.entered, 0.0) + pseudo / BUCKETS
    shares: Reals = entered / entered.sum(1)[:, None]
    return shares


def _dispersion(baseline: Baseline, shares: Reals) -> Reals:
    """Return Pearson's chi-squared within windows over the degrees of freedom (n,); at least 1."""
    total = np.maximum(baseline.entered.sum(1), 0.0)
    chi_squared = (baseline.squares / shares).sum(1) - total
    dispersion: Reals = np.maximum(chi_squared / ((BUCKETS - 1) * np.maximum(baseline.filled, 1e-9)), 1.0)
    return dispersion
