import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.detection import rows
from streams.domain.detection.rows import grown, kept, roomy


def numbers(pairs: int) -> np.ndarray:
    return np.arange(pairs * 6, dtype=np.float32).reshape(pairs, 2, 3)


def with_room(array: np.ndarray) -> np.ndarray:
    found = roomy(array.shape, array.dtype)
    found[...] = array
    return found


@given(st.lists(st.integers(0, 99), unique=True), st.booleans(), st.booleans(), st.integers(1, 7))
def test_pairs_that_stay_keep_their_numbers(
    stay: list[int], in_order: bool, has_room: bool, chunk: int
) -> None:
    order = np.array(sorted(stay) if in_order else stay, np.intp)
    before, rows._CHUNK = rows._CHUNK, chunk
    try:
        found = kept(with_room(numbers(100)) if has_room else numbers(100), order)
    finally:
        rows._CHUNK = before
    assert np.array_equal(found, numbers(100)[order])


@given(st.integers(0, 20), st.integers(0, 100))
def test_pairs_that_come_leave_the_numbers_of_the_others(pairs: int, more: int) -> None:
    for array in (
        numbers(pairs),
        with_room(numbers(pairs)),
        numbers(pairs + 1)[1:] - 6,
    ):
        found = grown(array, more, fill=-1)
        assert np.array_equal(found[:pairs], numbers(pairs))
        assert found.shape == (pairs + more, 2, 3)
        assert (found[pairs:] == -1).all()


def test_pairs_come_and_go_without_a_copy_of_the_others() -> None:
    array = with_room(numbers(1000))
    more = grown(array, 100)
    fewer = kept(more, np.arange(1, 1100))
    assert array.ctypes.data == more.ctypes.data == fewer.ctypes.data
    assert np.array_equal(fewer[:999], numbers(1000)[1:])
    assert not np.may_share_memory(kept(fewer, np.arange(9)), fewer)  # the memory of most is given back


def test_a_part_of_another_array_does_not_grow_into_the_other() -> None:
    whole = numbers(9)
    found = grown(whole[2:4], 3)
    assert not np.may_share_memory(found, whole)
    assert np.array_equal(whole, numbers(9))
