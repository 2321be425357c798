"""Arrays with a place for each pair, and pairs that come."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def grown(array: NDArray[Any], pairs: int, fill: float = 0, axis: int = 0) -> NDArray[Any]:
    """Return an array with places of a value for further pairs behind."""
    shape = [pairs if place == axis else size for place, size in enumerate(array.shape)]
    return np.concatenate((array, np.full(shape, fill, array.dtype)), axis)
