"""Times to convert, from the buckets of a profile."""

import random
import statistics

import pytest

from streams.web.durations import times_of
from streams.web.words import lasting


def lags_of(deals: list[tuple[float, float]]) -> list[int]:
    """The deals by the buckets, of one second each, between entry and conversion."""
    lags = [0] * 12
    for entered, converted in deals:
        lags[int(converted) - int(entered)] += 1
    return lags


@pytest.mark.parametrize("seed", range(20))
def test_quartiles_are_right_to_a_bucket(seed: int) -> None:
    chance = random.Random(seed)
    usual = chance.uniform(0.3, 5)
    deals: list[tuple[float, float]] = []
    while len(deals) < 400:
        entered = chance.uniform(0, 12)
        converted = entered + chance.expovariate(1 / usual)
        if converted < 12:
            deals.append((entered, converted))
    exact = statistics.quantiles([converted - entered for entered, converted in deals], n=4)
    told = times_of(lags_of(deals), 1.0)
    assert told is not None
    assert not told.is_exact
    for near, quartile in zip((told.low, told.median, told.high), exact, strict=True):
        assert abs(near - quartile) < 1


def test_deals_of_one_bucket_take_less_than_the_bucket() -> None:
    told = times_of([10] + [0] * 11, 300.0)
    assert told is not None
    assert told.median == pytest.approx(300 * (1 - 0.5**0.5), rel=1e-4)


def test_deals_of_a_lag_take_the_lag_and_a_bucket_more_or_less() -> None:
    told = times_of([0, 0, 0, 8] + [0] * 8, 10.0)
    assert told is not None
    assert (told.low, told.median, told.high) == pytest.approx((27.07, 30.0, 32.93), abs=0.01)


def test_without_a_conversion_there_is_no_time() -> None:
    assert times_of([0] * 12, 300.0) is None


def test_lengths_of_time_have_two_digits() -> None:
    assert [lasting(seconds).replace("\N{NO-BREAK SPACE}", " ") for seconds in (0.4, 42, 300, 7200, 200_000, None)] == [
        "0.4 s", "42 s", "5.0 min", "2.0 h", "2.3 days", "\N{EN DASH}",
    ]  # fmt: skip
