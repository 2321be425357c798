"""Pairs of which the truth is known, for tests."""

import numpy as np

from streams.domain.detection.evidence import DropHypotheses
from streams.domain.detection.expectation import Expectation
from streams.domain.detection.profile import BUCKETS, Counts, Profile, Reals, Rows


def at_once(pairs: int, rate: float, variation: float) -> Expectation:
    """Return expectations of conversions in the bucket of the entry, with the standard deviation `variation`."""
    likely = np.repeat(np.tril(np.full((BUCKETS, BUCKETS), rate, np.float32))[:, None], pairs, axis=1)
    return Expectation(np.ones(pairs, bool), likely, np.full(pairs, variation**2))


def about(expected: Expectation, drop: float) -> DropHypotheses:
    """Return the hypotheses of a rule about `drop`."""
    return DropHypotheses.of(expected, at_level(expected.spread), drop)


def entered_first(entered: int, converted: Counts) -> Profile:
    """Return profiles of deals that all entered and converted in the first bucket."""
    profile = Profile.empty(len(converted))
    profile.entered[:, 0] = entered
    profile.converted[:, 0, 0] = converted
    return profile


def every(pairs: int) -> Rows:
    """Return the numbers of all pairs."""
    return np.arange(pairs)


def ages(age: int, pairs: int) -> Rows:
    """Return the same age for all pairs."""
    return np.full(pairs, age)


def at_level(variation: Reals | float, pairs: int = 1) -> Reals:
    """Return measured numbers with a variance between windows, and the level of the baseline."""
    between = np.broadcast_to(
        np.asarray(variation, np.float32), np.broadcast_shapes(np.shape(variation), (pairs,))
    )
    return np.stack((between, np.ones_like(between), np.zeros_like(between)))
