"""Arrays with a place for each pair: pairs come and go.

An array of many pairs is large, so pairs come and go in place where that is possible. An array of `roomy` is the first
part of a larger array. Linux gives memory to a page when something is written there, so unused room takes no memory.
Nobody keeps a part of an array that grows or shrinks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streams.domain.detection.profile import Rows

_CHUNK = 4096
_LEAST_ROOM = 64


def roomy(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros with room behind for further pairs: an eighth more."""
    pairs, *rest = shape
    return np.zeros((pairs + max(pairs // 8, _LEAST_ROOM), *rest), dtype)[:pairs]


def kept(array: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Return an array with some of the places, in the order given."""
    whole = _whole(array)
    if whole is None or (np.diff(rows) <= 0).any() or len(rows) < len(whole) // 2:
        return array[rows]
    for start in range(
        0, len(rows), _CHUNK
    ):  # places move forward only: no place is overwritten before it is read
        some = rows[start : start + _CHUNK]
        array[start : start + len(some)] = array[some]
    return whole[: len(rows)]


def grown(array: NDArray[Any], pairs: int, fill: float = 0) -> NDArray[Any]:
    """Return an array with places of a value for further pairs behind the others."""
    known, whole = len(array), _whole(array)
    if whole is None or len(whole) < known + pairs:
        whole = roomy((known + pairs, *array.shape[1:]), array.dtype)
        whole[:known] = array
    whole[known : known + pairs] = fill
    return whole[: known + pairs]


def _whole(array: NDArray[Any]) -> NDArray[Any] | None:
    """Return the array with room of which `array` is the first part."""
    whole = array.base
    if whole is None or whole.ndim != array.ndim or whole.shape[1:] != array.shape[1:]:
        return None
    first = whole.flags.owndata and whole.ctypes.data == array.ctypes.data and whole.dtype == array.dtype
    return whole if first and whole.flags.c_contiguous else None
