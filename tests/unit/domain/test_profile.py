"""Profiles: a window's buckets, their places, and the arithmetic of one number for all of them.

A window of 12 seconds has buckets of a second:

    0    1    2    3    4    5    6    7    8    9    10   11   12
    |----|----|----|----|----|----|----|----|----|----|----|----|
    0    1    2    3    4    5    6    7    8    9    10   11
"""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.profile import (
    BASE,
    BUCKETS,
    PLACES,
    UNITS,
    bucket_of,
    converted,
    deals_by_place,
    deals_in,
    entered,
    place_of,
)
from streams.domain.windows import to_microseconds, window_kind
from tests.machine import definition

SECOND = 1_000_000
places = st.sampled_from(PLACES)
many_deals = st.dictionaries(places, st.integers(0, 1_000_000))


def profile_of(deals: dict[tuple[int, int], int]) -> int:
    return sum(count * UNITS[i * BUCKETS + j] for (i, j), count in deals.items())


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**13), st.floats(0, 1, exclude_max=True))
def test_a_bucket_begins_exactly_where_the_one_before_ends(start: int, length: int, part: float) -> None:
    """Also where no whole microsecond lies between the two."""
    at = start + int(part * length)
    bucket = bucket_of(at, start, start + length)
    assert 0 <= bucket < BUCKETS
    assert bucket * length <= (at - start) * BUCKETS < (bucket + 1) * length


def test_the_instant_between_two_buckets_lies_in_the_later_one() -> None:
    assert [bucket_of(at * SECOND, 0, 12 * SECOND) for at in range(12)] == list(range(12))
    assert [bucket_of(at * SECOND - 1, 0, 12 * SECOND) for at in range(1, 13)] == list(range(12))


@pytest.mark.parametrize(("day", "hours"), [(8, 23), (9, 24)])
def test_the_buckets_of_a_short_day_are_shorter(day: int, hours: int) -> None:
    zone = ZoneInfo("America/New_York")
    noon = to_microseconds(datetime(2026, 3, day, 12, tzinfo=zone))
    _, start, end = window_kind("day", "America/New_York").window_at(noon)
    bucket = hours * 300 * SECOND
    assert bucket_of(start + 5 * bucket - 1, start, end) == 4
    assert bucket_of(start + 5 * bucket, start, end) == 5


def test_every_pair_of_buckets_has_a_place_of_its_own_and_the_youngest_come_first() -> None:
    assert list(PLACES) == definition.PLACES
    assert [place_of(*place) for place in PLACES] == list(range(78))
    assert all(a[1] - a[0] <= b[1] - b[0] for a, b in pairwise(PLACES))
    assert [UNITS[i * BUCKETS + j] for i, j in PLACES] == [BASE**number for number in range(78)]


@given(many_deals, many_deals)
def test_the_sum_of_two_profiles_is_the_profile_of_all_deals(
    some: dict[tuple[int, int], int], others: dict[tuple[int, int], int]
) -> None:
    together = profile_of(some) + profile_of(others)
    shown = converted(together)
    assert {(i, j): shown[i][j] for i, j in PLACES} == {
        place: some.get(place, 0) + others.get(place, 0) for place in PLACES
    }
    assert all(shown[i][j] == 0 for i in range(BUCKETS) for j in range(i))
    assert entered(together) == [shown[i][i] for i in range(BUCKETS)]
    assert deals_in(together) == sum(some.values()) + sum(others.values())


@given(many_deals)
def test_the_deals_at_each_place_are_read_off_eight_digits_of_decimal_text(
    deals: dict[tuple[int, int], int],
) -> None:
    """So a reader that has profiles as text, thousands at once, needs no arithmetic with large numbers."""
    profile = profile_of(deals)
    assert deals_by_place(profile) == [deals.get(place, 0) for place in PLACES]
    text = str(profile).zfill(8 * len(PLACES))
    assert deals_by_place(profile) == [int(text[at : at + 8]) for at in range(len(text) - 8, -1, -8)]


@given(places, st.integers(0, 99_999_998))
def test_a_profile_counts_as_many_deals_as_eight_digits_hold(place: tuple[int, int], count: int) -> None:
    assert deals_in(profile_of({place: count})) == count
