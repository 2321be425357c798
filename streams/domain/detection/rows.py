"""Arrays with a place for each pair: pairs come and go.

An array of many pairs is large, so pairs go in place where that is possible. Nobody keeps a part of such an array.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.domain.detection.profile import Rows

_CHUNK = 4096


def kept(array: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Return an array with some of the places, in the order given."""
    if not _is_own(array) or (np.diff(rows) <= 0).any():
        return array[rows]
    for start in range(
        0, len(rows), _CHUNK
    ):  # places move forward only: no place is overwritten before it is read
        some = rows[start : start + _CHUNK]
        array[start : start + len(some)] = array[some]
    array.resize((len(rows), *array.shape[1:]), refcheck=False)
    return array


def grown(array: NDArray[Any], pairs: int, fill: float = 0) -> NDArray[Any]:
    """Return an array with places of a value for further pairs behind the others: the same array where possible."""
    known, more = len(array), np.full((pairs, *array.shape[1:]), fill, array.dtype)
    if not _is_own(array):
        return np.concatenate((array, more))
    array.resize((known + pairs, *array.shape[1:]), refcheck=False)  # Linux moves pages, and copies nothing
    array[known:] = more
    return array


def _is_own(array: NDArray[Any]) -> bool:
    """Return True if the array has its numbers for itself, one behind the other."""
    return bool(array.flags.owndata and array.flags.c_contiguous)
