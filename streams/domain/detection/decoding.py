"""Profiles as Postgres sends them, turned into arrays.

A stored profile is an integer. Read in decimal, each place has eight digits, the first place at the right end. The
place of the buckets (i, j) depends on the age j - i: (0, 0) to (11, 11) have the places 0 to 11, (0, 1) to (10, 11)
the places 12 to 22, and (0, 11) has place 77. A profile of entries has the places (i, i) only.

Postgres sends a `numeric` (its function `numeric_send`) as four numbers of two bytes: how many digits follow, the
exponent of the first digit, the sign, and the digits behind the comma. The digits follow, two bytes each, to the base
10,000: two of these digits are a place. Many profiles are decoded at once, without a loop.
"""

from collections.abc import Sequence

import numpy as np

from streams.domain.detection.profile import BUCKETS, Counts, Profile

_BASE = 10_000
_CHUNK = 4096
"""Numbers that are decoded at once: the working memory stays small."""
_HEAD = 4
_CELLS = [(i, i + age) for age in range(BUCKETS) for i in range(BUCKETS - age)]
_ENTERED, _CONVERTED = np.array(_CELLS).T


def decode(entered: Sequence[bytes], converted: Sequence[bytes]) -> Profile:
    """Return profiles of many pairs from what Postgres sends, one number of entries and one of conversions a pair.

    Raises ValueError for a number that has a place too many, is negative or no integer.
    """
    return Profile(decode_entered(entered), decode_converted(converted))


def decode_entered(sent: Sequence[bytes]) -> Counts:
    """Return entries by bucket (n, 12); raises as `decode`."""
    counts = np.zeros((len(sent), BUCKETS), np.int32)
    for start in range(0, len(sent), _CHUNK):
        counts[start : start + _CHUNK] = _chunk(sent[start : start + _CHUNK], BUCKETS)
    return counts


def decode_converted(sent: Sequence[bytes]) -> Counts:
    """Return conversions by bucket of entry and of conversion (n, 12, 12); raises as `decode`."""
    cells = np.zeros((len(sent), BUCKETS, BUCKETS), np.int32)
    for start in range(0, len(sent), _CHUNK):
        some = slice(start, start + _CHUNK)
        cells[some, _ENTERED, _CONVERTED] = _chunk(sent[some], len(_CELLS))
    return cells


def _chunk(sent: Sequence[bytes], places: int) -> Counts:
    """Return the count at each place (n, places)."""
    digits = np.zeros((len(sent), places * 2), np.int32)
    words = np.frombuffer(b"".join(sent), ">i2").astype(np.int32)
    sizes = np.array([len(one) // 2 for one in sent], np.intp)
    heads = np.cumsum(sizes) - sizes
    exponents, lengths = words[heads + 1], sizes - _HEAD
    if (exponents >= 2 * places).any() or (exponents - lengths < -1).any() or words[heads + 2].any():
        raise ValueError(f"a number is no profile of {places} places")
    rows = np.repeat(np.arange(len(sent)), lengths)
    behind = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    digits[rows, exponents[rows] - behind] = words[heads[rows] + _HEAD + behind]
    whole: Counts = digits[:, ::2] + digits[:, 1::2] * _BASE
    return whole
