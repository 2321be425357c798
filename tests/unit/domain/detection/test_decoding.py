import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.detection.decoding import decode
from streams.domain.detection.profile import BUCKETS

BASE = 10**8
COUNT = st.one_of(st.integers(0, 3), st.integers(0, BASE - 1))


def sent(number: int) -> bytes:
    """Return what Postgres sends for an integer: no zeros at either end of the digits."""
    digits: list[int] = []
    rest = abs(number)
    while rest:
        rest, digit = divmod(rest, 10_000)
        digits.insert(0, digit)
    weight = max(len(digits) - 1, 0)
    while digits and digits[-1] == 0:
        digits.pop()
    return struct.pack(f">{4 + len(digits)}h", len(digits), weight, 0x4000 * (number < 0), 0, *digits)


PLACES = sorted(
    itertools.combinations_with_replacement(range(BUCKETS), 2), key=lambda at: (at[1] - at[0], at)
)
"""The places by counting: conversions of equal age follow each other, the youngest first."""


@st.composite
def cells(draw: st.DrawFn) -> dict[tuple[int, int], int]:
    drawn = draw(st.dictionaries(st.tuples(st.integers(0, 11), st.integers(0, 11)), COUNT, max_size=9))
    return {(min(at), max(at)): count for at, count in drawn.items()}


@given(st.lists(st.tuples(st.dictionaries(st.integers(0, BUCKETS - 1), COUNT), cells()), max_size=4))
def test_a_decoded_profile_has_the_count_of_every_place(
    drawn: list[tuple[dict[int, int], dict[tuple[int, int], int]]],
) -> None:
    found = decode(
        [sent(sum(count * BASE**bucket for bucket, count in entered.items())) for entered, _ in drawn],
        [
            sent(sum(count * BASE ** PLACES.index(at) for at, count in converted.items()))
            for _, converted in drawn
        ],
    )
    assert found.entered.shape == (len(drawn), BUCKETS)
    assert found.converted.shape == (len(drawn), BUCKETS, BUCKETS)
    for pair, (entered, converted) in enumerate(drawn):
        assert found.entered[pair].tolist() == [entered.get(bucket, 0) for bucket in range(BUCKETS)]
        expected = np.zeros((BUCKETS, BUCKETS), np.int64)
        for at, count in converted.items():
            expected[at] = count
        assert np.array_equal(found.converted[pair], expected)


@pytest.mark.parametrize(("entered", "converted"), [(BASE**12, 0), (0, BASE**78), (-1, 0), (0, -(BASE**3))])
def test_a_number_that_is_no_profile_is_refused(entered: int, converted: int) -> None:
    with pytest.raises(ValueError, match="no profile"):
        decode([sent(entered), sent(1)], [sent(converted), sent(1)])


def test_a_number_that_is_no_integer_is_refused() -> None:
    with pytest.raises(ValueError, match="no profile"):
        decode([struct.pack(">5h", 1, -1, 0, 1, 5000)], [sent(0)])


def test_no_pairs_are_decoded_as_none() -> None:
    assert np.array_equal(decode([], []).entered, np.zeros((0, BUCKETS)))
