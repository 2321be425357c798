"""Expectations: what a window is compared with, made of the baseline once for each window."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.decay import Moment
from streams.domain.detection.knots import knots_of
from streams.domain.detection.profile import BUCKETS, Flags, Reals, Rows, running
from streams.domain.detection.season import HOURS

LEARNING = 14
"""Windows with entries that a baseline needs: two weeks of days."""
SHRINKAGE = 20.0
"""Pseudo-conversions that pull a seasonal factor to its target, and pseudo-entries that pull a cell to the delays that
all buckets have in common."""
LEARNING_SLOT = 2
"""Windows of the slot that a baseline needs: the factor of a slot that was never seen is a guess."""
MOST_LIKELY = 0.998
"""No conversion is expected with certainty: one deal that stays behind must not be impossible."""

_ENTERED, _BY = np.indices((BUCKETS, BUCKETS))
_POSSIBLE = np.tril(np.ones((BUCKETS, BUCKETS), np.float32))
"""By bucket of conversion, the buckets of entry: a conversion is not before the entry."""
_OF_DELAY = np.stack([np.equal(_BY - _ENTERED, delay).ravel() for delay in range(BUCKETS)], 1).astype(
    np.float32
)
_DELAY = np.maximum(_BY - _ENTERED, 0).T


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expectations of the pairs in a window (the first axis is the pair)."""

    learned: Flags
    """The baseline has enough windows."""
    likely: Reals
    """The probability that a deal has converted at an age: by age, pair and bucket of entry (12, n, 12); 0 for a bucket
    that has not ended."""
    spread: Reals
    """The variance of the window's rate relative to its square: between windows, and of the estimate (n,)."""

    @classmethod
    def empty(cls, pairs: int) -> Self:
        """Return expectations to be put in."""
        likely = np.zeros((BUCKETS, pairs, BUCKETS), np.float32)
        return cls(np.zeros(pairs, bool), likely, np.zeros(pairs, np.float32))

    def put(self, pairs: slice, other: "Expectation") -> None:
        """Put in the expectations of some pairs."""
        self.learned[pairs], self.spread[pairs] = other.learned, other.spread
        self.likely[:, pairs] = other.likely

    def __getitem__(self, pairs: slice | Rows) -> "Expectation":
        """Return the expectations of some pairs."""
        return Expectation(self.learned[pairs], self.likely[:, pairs], self.spread[pairs])

    @property
    def highest(self) -> Reals:
        """The highest probability at the end of the window (n,)."""
        highest: Reals = self.likely[-1].max(1)
        return highest


@dataclass(frozen=True, slots=True)
class Rates:
    """The word of a baseline about any window; all but `cells` have an axis of slots."""

    cells: Reals
    """The share converted by the end of each bucket, by pair and bucket of entry (12, n, 12), without a season."""
    expected: Reals
    """The conversions that would be expected without a season (n, slots)."""
    factors: Reals
    """The seasonal factors (n, slots)."""
    targets: Reals
    """The factors to which `factors` are shrunk (n, slots)."""

    @property
    def rate(self) -> Reals:
        """The share converted by the end of a window, by bucket of entry (n, 12)."""
        rate: Reals = self.cells[-1]
        return rate


def rates(baseline: Baseline, moment: Moment) -> Rates:
    """Return rates and seasonal factors."""
    pseudo = SHRINKAGE * moment.weight
    cells = _cells(baseline, pseudo)
    expected = np.matmul(np.maximum(baseline.slot_entered, 0.0), knots_of(cells[-1])[:, :, None])[:, :, 0]
    return Rates(cells, expected, *_factors(baseline, expected, cells[-1], pseudo))


def expectation(baseline: Baseline, of: Rates, measured: Reals, moment: Moment) -> Expectation:
    """Return what is expected of a window; `measured` (3, n) has variation, level and doubt: see `recent.Recent`."""
    slot, pseudo = moment.slot, SHRINKAGE * moment.weight
    between, level, doubt = measured
    alike = np.maximum(baseline.weight[:, slot], 1e-9) / np.maximum(baseline.weight_squared[:, slot], 1e-18)
    windows = baseline.weight[:, slot] * alike  # the windows, if all had the same weight and were as exact
    seen = np.maximum(baseline.slot_converted[:, slot], 0.0) * alike
    pull = pseudo / (of.expected[:, slot] + pseudo)
    factor = np.minimum(of.factors[:, slot] * level, MOST_LIKELY / np.maximum(of.rate.max(1), 1e-9))
    likely = of.cells * factor[:, None]
    estimate = (1 - np.minimum(likely[-1].max(1), 0.95)) / (seen + SHRINKAGE)
    estimate += pull**2 * _between(of.factors, of.targets, of.expected)
    spread = between * (1 + 1 / np.maximum(windows, 1.0)) + doubt + estimate
    learned = (baseline.windows >= LEARNING) & (windows > LEARNING_SLOT - 0.5)
    return Expectation(learned, likely, spread)


def _cells(baseline: Baseline, pseudo: float) -> Reals:
    """Return the share converted by each bucket, by bucket of entry, pulled to the delays that all buckets have."""
    entered = np.maximum(baseline.entered, 0.0)
    converted = np.maximum(baseline.all_converted(), 0.0)
    delays = converted.reshape(-1, BUCKETS * BUCKETS) @ _OF_DELAY
    exposed = np.cumsum(entered, axis=1)[:, ::-1]  # entries up to bucket 11 - d can show a delay of d buckets
    common = np.minimum(np.cumsum(delays / np.maximum(exposed, 1e-9), axis=1), MOST_LIKELY)
    cells = running(converted)
    cells += (pseudo * common)[:, _DELAY].transpose(1, 0, 2)
    cells /= entered + pseudo
    np.minimum(cells, MOST_LIKELY, out=cells)
    cells *= _POSSIBLE[:, None]
    return cells


def _factors(baseline: Baseline, expected: Reals, rate: Reals, pseudo: float) -> tuple[Reals, Reals]:
    """Return the seasonal factors and the targets to which the factors are shrunk (n, slots) each.

    No factor makes a probability exceed MOST_LIKELY.
    """
    converted = np.maximum(baseline.slot_converted, 0.0)
    targets = _targets(converted, expected, pseudo)
    factors = (converted + pseudo * targets) / (expected + pseudo)
    most: Reals = MOST_LIKELY / np.maximum(rate.max(1), 1e-9)
    return np.minimum(factors, most[:, None]), targets


def _targets(converted: Reals, expected: Reals, pseudo: float) -> Reals:
    """Return what the factors would be if hours and weekends had nothing to do with each other; else 1."""
    pairs, slots = converted.shape
    if slots != HOURS:
        return np.ones_like(converted)
    converted, expected = (sums.reshape(pairs, 2, slots // 2) for sums in (converted, expected))
    hours = (converted.sum(1) + pseudo) / (expected.sum(1) + pseudo)
    weekend = (converted.sum(2) + pseudo) / ((expected * hours[:, None]).sum(2) + pseudo)
    targets: Reals = (weekend[:, :, None] * hours[:, None]).reshape(pairs, slots)
    return targets


def _between(factors: Reals, targets: Reals, expected: Reals) -> Reals:
    """Return the variance of the seasonal factors around the targets (n,), by expected conversions."""
    total = np.maximum(expected.sum(1), 1e-9)
    variance: Reals = ((factors / targets - 1) ** 2 * expected).sum(1) / total
    return variance
