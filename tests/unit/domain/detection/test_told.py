"""Expectations as bytes, which the page reads."""

import numpy as np

from streams.domain.detection.account import account
from streams.domain.detection.expectation import Expectation
from streams.domain.detection.profile import BUCKETS, Profile
from streams.domain.detection.told import pack, unpack

PAIRS = 7


def some() -> Expectation:
    chance = np.random.default_rng(3)
    likely = chance.random((BUCKETS, PAIRS, BUCKETS), np.float32)
    ended = np.tril(np.ones((BUCKETS, BUCKETS), np.float32))
    return Expectation(chance.random(PAIRS) < 0.5, likely * ended[:, None], chance.random(PAIRS, np.float32))


def test_expectations_are_unpacked_as_they_were() -> None:
    expected = some()
    packed = pack(expected)
    assert {len(row) for row in packed} == {312}
    again = unpack(packed, expected.learned.tolist(), expected.spread.tolist())
    assert np.array_equal(again.likely, expected.likely)
    assert np.array_equal(again.learned, expected.learned)
    assert np.array_equal(again.spread, expected.spread)


def test_a_pair_alone_is_told_the_same_numbers_as_among_others() -> None:
    expected, chance = some(), np.random.default_rng(4)
    profile = Profile(
        chance.integers(0, 50, (PAIRS, BUCKETS)), np.triu(chance.integers(0, 3, (PAIRS, BUCKETS, BUCKETS)))
    )
    alone = unpack(pack(expected)[4:5], [True], [float(expected.spread[4])])
    for age in range(BUCKETS):
        all_told, told = account(profile, expected, age), account(profile[slice(4, 5)], alone, age)
        assert (told.low[0], told.high[0]) == (all_told.low[4], all_told.high[4])
        assert told.expected[0] == all_told.expected[4]
