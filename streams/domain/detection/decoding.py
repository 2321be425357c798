"""Profiles as Postgres keeps them, turned into arrays.

A stored profile is an integer. Read in decimal, each place has eight digits, the first place at the right end. The
place of the buckets (i, j) depends on the age j - i: (0, 0) to (11, 11) have the places 0 to 11, (0, 1) to (10, 11)
the places 12 to 22, and (0, 11) has place 77. A profile of entries has the places (i, i) only.
"""

from collections.abc import Sequence

import numpy as np

from streams.domain.detection.profile import BUCKETS, Counts, Profile

_DIGITS = 8
_POWERS = 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.int32)
_CELLS = [(i, i + age) for age in range(BUCKETS) for i in range(BUCKETS - age)]
_ENTERED, _CONVERTED = np.array(_CELLS).T


def decode(entered: Sequence[int], converted: Sequence[int]) -> Profile:
    """Return profiles of many pairs from the stored integers, one of entries and one of conversions a pair.

    Raises ValueError for an integer that has a place too many or is negative.
    """
    return Profile(_counts(entered, BUCKETS), _cells(converted))


def _cells(profiles: Sequence[int]) -> Counts:
    cells = np.zeros((len(profiles), BUCKETS, BUCKETS), np.int32)
    counts = _counts(profiles, len(_CELLS))
    cells[:, _ENTERED, _CONVERTED] = counts
    return cells


def _counts(profiles: Sequence[int], places: int) -> Counts:
    """Return the count at each place (n, places)."""
    counts = np.zeros((len(profiles), places), np.int32)
    if not len(profiles):
        return counts
    texts = [str(profile) for profile in profiles]
    used = -(-max(map(len, texts)) // _DIGITS)
    if used > places or min(profiles) < 0:
        raise ValueError(f"an integer is no profile of {places} places")
    width = used * _DIGITS
    digits = np.frombuffer("".join([text.zfill(width) for text in texts]).encode(), np.uint8) - ord("0")
    whole = digits.reshape(len(texts), used, _DIGITS).astype(np.int32) @ _POWERS
    counts[:, :used] = whole[:, ::-1]
    return counts
