import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.detection.profile import BUCKETS, Profile, bucket_end, bucket_of

HOUR = 3_600_000_000


@given(st.integers(0, 10**15), st.integers(BUCKETS, 40 * 24 * HOUR), st.integers(0, BUCKETS - 1))
def test_buckets_tile_a_window(start: int, length: int, bucket: int) -> None:
    end = bucket_end(start, start + length, bucket)
    assert bucket_of(start, start + length, end - 1) == bucket
    assert bucket_of(start, start + length, end) == bucket + 1
    assert bucket_end(start, start + length, BUCKETS - 1) == start + length


def example() -> Profile:
    profile = Profile.empty(1)
    profile.entered[0, 0] = 3
    profile.entered[0, 4] = 2
    profile.converted[0, 0, 2] = 1
    profile.converted[0, 4, 4] = 1
    return profile


def test_a_profile_sums_to_its_counts() -> None:
    assert example().entered_count.tolist() == [5]
    assert example().converted_count.tolist() == [2]


def test_a_cut_shows_what_was_visible_at_the_age() -> None:
    profile = example()
    assert [int(profile.cut(age).converted_count[0]) for age in (1, 2, 3, 4)] == [0, 1, 1, 2]
    assert [int(profile.cut(age).entered_count[0]) for age in (0, 3, 4)] == [3, 3, 5]
    assert profile.by_age(slice(2, 5)).sum(2).tolist() == [[1], [1], [2]]
    assert profile.at(np.array([3])).tolist() == [[1] + [0] * 11]


@pytest.mark.parametrize(
    ("entered", "converted", "cell", "reason"),
    [(-1, 0, (0, 0), "negative"), (2, 1, (3, 2), "before the entry"), (2, 3, (3, 4), "more conversions")],
)
def test_counts_that_cannot_be_a_profile_are_refused(
    entered: int, converted: int, cell: tuple[int, int], reason: str
) -> None:
    profile = Profile.empty(1)
    profile.entered[0, cell[0]] = entered
    profile.converted[0][cell] = converted
    with pytest.raises(ValueError, match=reason):
        profile.check()


def test_no_entry_is_a_profile() -> None:
    Profile.empty(3).check()
    assert np.all(Profile.empty(3).entered_count == 0)


def test_compact_profiles_become_wider_with_a_large_count() -> None:
    compact, whole = Profile.compact(2), Profile.empty(1)
    whole.converted[0, 1, 2] = 65_535
    same = compact.put(np.array([1]), whole.converted)
    assert same is compact
    whole.converted[0, 1, 2] = 65_536
    wider = same.put(np.array([0]), whole.converted)
    assert wider.converted[:, 1, 2].tolist() == [65_536, 65_535]
    assert wider.converted_count.tolist() == [65_536, 65_535]
