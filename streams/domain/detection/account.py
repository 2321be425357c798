"""The numbers of an alert, for people: observed against expected, with an interval, and the odds."""

from dataclasses import dataclass
from math import exp, floor, log10

import numpy as np

from streams.domain.detection.expectation import Expectation
from streams.domain.detection.profile import Profile, Reals
from streams.domain.detection.traffic import TrafficHypotheses

_TWO_SIDED_95 = 1.959964
"""The quantile of the normal distribution for an interval of 95 %."""
_GREATEST_ODDS = 1e9


@dataclass(frozen=True, slots=True)
class Account:
    """Seen and expected numbers of the same deals at the same age; a field has a value a pair."""

    entered: Reals
    converted: Reals
    expected: Reals
    low: Reals
    """Lower end of the interval, in whole deals, that holds the conversions of 95 of 100 windows without a drop."""
    high: Reals

    @property
    def drop(self) -> Reals:
        """The relative fall: 0.3 where 70 converted and 100 were expected."""
        return 1 - self.converted / np.maximum(self.expected, 1e-9)


def account(profile: Profile, expected: Expectation, age: int) -> Account:
    """Return the numbers at an age.

    The interval is a prediction interval, made on the logit scale by the delta method (Agresti, Categorical Data
    Analysis, 3.1): the variance is that of the binomial, of the rate between windows, and of the estimate.
    """
    entered = profile.entered[:, : age + 1].astype(np.float64)
    likely = expected.likely[age, :, : age + 1].astype(np.float64)
    deals, mean = entered.sum(1), (entered * likely).sum(1)
    variance = (entered * likely * (1 - likely)).sum(1) + mean**2 * expected.spread
    rate = np.clip(mean / np.maximum(deals, 1), 1e-9, 1 - 1e-9)
    scale = np.maximum(deals, 1) * rate * (1 - rate)
    reach = _TWO_SIDED_95 * np.sqrt(variance) / scale
    middle = np.log(rate / (1 - rate))
    low, high = (deals / (1 + np.exp(-(middle + side))) for side in (-reach, reach))
    converted = profile.converted[:, :, : age + 1].sum((1, 2)).astype(np.float64)
    return Account(deals, converted, mean, np.floor(low), np.minimum(np.ceil(high), deals))


def traffic_account(profile: Profile, under: TrafficHypotheses, age: int) -> Account:
    """Return entries seen and expected at an age; the interval is that of a normal variable. Nothing is converted."""
    entered = profile.entered[:, : age + 1].sum(1).astype(np.float64)
    expected = under.by_age[:, age].astype(np.float64)
    reach = _TWO_SIDED_95 * np.sqrt(expected * under.dispersion + expected**2 * under.spread)
    low, high = np.floor(np.maximum(expected - reach, 0.0)), np.ceil(expected + reach)
    return Account(entered, np.zeros_like(entered), expected, low, high)


def odds(log_evidence: float) -> int:
    """Return the evidence as odds for a drop against none, to two digits: 8.4 gives 4400, for "4400 to 1"."""
    value = min(exp(min(log_evidence, 50.0)), _GREATEST_ODDS)
    if value < 1:
        return 1
    return int(round(value, 1 - floor(log10(value))))
