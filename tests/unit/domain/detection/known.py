"""Pairs of which the truth is known, for tests."""

import numpy as np

from streams.domain.detection.evidence import TOLERATED, DropHypotheses, log_prior, means
from streams.domain.detection.expectation import Expectation
from streams.domain.detection.profile import BUCKETS, Profile, Reals


def at_once(pairs: int, rate: float, variation: float) -> Expectation:
    """Return expectations of conversions in the bucket of the entry, with the standard deviation `variation`."""
    by_age = np.triu(np.full((pairs, BUCKETS, BUCKETS), rate))
    return Expectation(np.ones(pairs, bool), by_age, np.full(pairs, rate), np.full(pairs, variation**2))


def about(expected: Expectation, drop: float) -> DropHypotheses:
    """Return the hypotheses of a rule about `drop`."""
    null, once, twice = (
        log_prior(mean, expected.highest, expected.spread) for mean in (1 - TOLERATED, *means(drop))
    )
    return DropHypotheses(expected, null, (once, twice))


def entered_first(entered: int, converted: Reals) -> Profile:
    """Return profiles of deals that all entered and converted in the first bucket."""
    profile = Profile.empty(len(converted))
    profile.entered[:, 0] = entered
    profile.converted[:, 0, 0] = converted
    return profile
