import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.detection import rows
from streams.domain.detection.rows import grown, kept


def numbers(pairs: int) -> np.ndarray:
    return np.arange(pairs * 6, dtype=np.float32).reshape(pairs, 2, 3)


@given(st.lists(st.integers(0, 99), unique=True), st.booleans(), st.integers(1, 7))
def test_pairs_that_stay_keep_their_numbers(stay: list[int], in_order: bool, chunk: int) -> None:
    order = np.array(sorted(stay) if in_order else stay, np.intp)
    before, rows._CHUNK = rows._CHUNK, chunk
    try:
        found = kept(np.array(numbers(100)), order)
    finally:
        rows._CHUNK = before
    assert np.array_equal(found, numbers(100)[order])


@given(st.integers(0, 20), st.integers(0, 20))
def test_pairs_that_come_leave_the_numbers_of_the_others(pairs: int, more: int) -> None:
    for array in (
        np.array(numbers(pairs)),
        numbers(pairs + 1)[1:] - 6,
    ):  # an array of its own, and a part of another
        found = grown(array, more, fill=-1)
        assert np.array_equal(found[:pairs], numbers(pairs))
        assert found.shape == (pairs + more, 2, 3)
        assert (found[pairs:] == -1).all()
