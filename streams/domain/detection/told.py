"""Expectations as bytes, for readers that are no detectors: the page shows what the detector expects.

A pair's probabilities are 78 numbers of four bytes (IEEE 754, the first byte is the most significant): for the ages 0
to 11 one after the other, the probability by each bucket of entry that has ended at the age.
"""

from collections.abc import Sequence

import numpy as np

from streams.domain.detection.expectation import Expectation
from streams.domain.detection.profile import BUCKETS

_AGES, _ENTERED = np.tril_indices(BUCKETS)
_NUMBER = ">f4"


def pack(expected: Expectation) -> list[bytes]:
    """Return the probabilities of each pair as bytes."""
    numbers = np.ascontiguousarray(expected.likely[_AGES, :, _ENTERED].T, _NUMBER)
    return [row.tobytes() for row in numbers]


def unpack(packed: Sequence[bytes], learned: Sequence[bool], spread: Sequence[float]) -> Expectation:
    """Return the expectations of pairs, one of each argument a pair; the inverse of `pack`."""
    likely = np.zeros((BUCKETS, len(packed), BUCKETS), np.float32)
    numbers = np.frombuffer(b"".join(packed), _NUMBER).reshape(len(packed), -1)
    likely[_AGES, :, _ENTERED] = numbers.T
    return Expectation(np.array(learned, bool), likely, np.array(spread, np.float32))
