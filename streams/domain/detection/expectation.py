"""Expectations: what a window is compared with, made of the baseline once for each window."""

from dataclasses import dataclass

import numpy as np

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.profile import BUCKETS, Flags, Reals
from streams.domain.detection.recent import Recent
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


_AFTER = np.triu(np.ones((BUCKETS, BUCKETS)))
"""The cells of a profile: a conversion is not before the entry."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of the pairs in one window (the first axis is the pair)."""

    learned: Flags
    """The baseline has enough windows."""
    by_age: Reals
    """The probability that a deal that entered in bucket i has converted by the end of bucket j (n, 12, 12)."""
    highest: Reals
    """The highest probability in `by_age` (n,)."""
    spread: Reals
    """The variance of the window's rate relative to its square: between windows, and of the estimate (n,)."""

    def __getitem__(self, pairs: slice | Flags) -> "Expectation":
        """Return the expectations of some pairs."""
        return Expectation(self.learned[pairs], self.by_age[pairs], self.highest[pairs], self.spread[pairs])


def variation(baseline: Baseline, recent: Recent) -> Reals:
    """Return the relative variance of conversion rates between windows (n,)."""
    rate = _cells(baseline)[:, :, -1]
    return recent.conversion_variation(rate, _factors(baseline, _expected(baseline, rate), rate)[0])


def expectation(baseline: Baseline, between: Reals, slot: int) -> Expectation:
    """Return what is expected of a window in a seasonal slot; `between` is the `variation`."""
    cells = _cells(baseline)
    rate = cells[:, :, -1]
    expected = _expected(baseline, rate)
    factors, targets = _factors(baseline, expected, rate)
    weight, squared = baseline.weight[:, slot], baseline.weight_squared[:, slot]
    alike = np.maximum(weight, 1e-9) / np.maximum(squared, 1e-9)  # windows and deals count by this factor
    windows = weight * alike
    seen = np.maximum(baseline.slot_converted[:, slot], 0.0)
    pull = SHRINKAGE / (expected[:, slot] + SHRINKAGE)
    by_age = np.maximum.accumulate(cells, axis=2) * factors[:, slot, None, None]
    highest = by_age[:, :, -1].max(1)
    estimate = (1 - np.minimum(highest, 0.95)) / (seen * alike + SHRINKAGE)
    estimate += pull**2 * _between(factors, targets, expected)
    spread = between * (1 + 1 / np.maximum(windows, 1.0)) + estimate
    learned = (baseline.windows >= LEARNING) & (windows > LEARNING_SLOT - 0.5)
    return Expectation(learned, by_age, highest, spread)


def _cells(baseline: Baseline) -> Reals:
    """Return by bucket of entry the share converted by bucket j, pulled to the delays that all buckets have."""
    entered = np.maximum(baseline.entered.sum(1), 0.0)
    converted = np.maximum(baseline.converted, 0.0)
    delays = np.stack([np.trace(converted, d, 1, 2) for d in range(BUCKETS)], axis=1)
    exposed = np.cumsum(entered, axis=1)[
        :, ::-1
    ]  # a delay of d buckets is visible for entries up to bucket 11 - d
    common = np.minimum(np.cumsum(delays / np.maximum(exposed, 1e-9), axis=1), MOST_LIKELY)
    by = np.cumsum(converted, axis=2)
    buckets = np.arange(BUCKETS)
    delay = np.clip(buckets[None, :] - buckets[:, None], 0, None)
    cells = (by + SHRINKAGE * common[:, delay]) / (entered[:, :, None] + SHRINKAGE)
    shares: Reals = np.minimum(cells, MOST_LIKELY) * _AFTER
    return shares


def _expected(baseline: Baseline, rate: Reals) -> Reals:
    """Return by slot the conversions that would be expected without a season (n, slots)."""
    expected: Reals = np.matmul(np.maximum(baseline.entered, 0.0), rate[:, :, None])[:, :, 0]
    return expected


def _factors(baseline: Baseline, expected: Reals, rate: Reals) -> tuple[Reals, Reals]:
    """Return the seasonal factors and the targets to which the factors are shrunk (n, slots) each.

    No factor makes a probability exceed MOST_LIKELY.
    """
    converted = np.maximum(baseline.slot_converted, 0.0)
    targets = _targets(converted, expected)
    factors = (converted + SHRINKAGE * targets) / (expected + SHRINKAGE)
    most: Reals = MOST_LIKELY / np.maximum(rate.max(1), 1e-9)
    return np.minimum(factors, most[:, None]), targets


def _targets(converted: Reals, expected: Reals) -> Reals:
    """Return what the factors would be if hours and weekends had nothing to do with each other; else 1."""
    pairs, slots = converted.shape
    if slots != HOURS:
        return np.ones_like(converted)
    converted, expected = (sums.reshape(pairs, 2, slots // 2) for sums in (converted, expected))
    hours = (converted.sum(1) + SHRINKAGE) / (expected.sum(1) + SHRINKAGE)
    weekend = (converted.sum(2) + SHRINKAGE) / ((expected * hours[:, None]).sum(2) + SHRINKAGE)
    targets: Reals = (weekend[:, :, None] * hours[:, None]).reshape(pairs, slots)
    return targets


def _between(factors: Reals, targets: Reals, expected: Reals) -> Reals:
    """Return the variance of the seasonal factors around the targets (n,), by expected conversions."""
    total = np.maximum(expected.sum(1), 1e-9)
    variance: Reals = ((factors / targets - 1) ** 2 * expected).sum(1) / total
    return variance
