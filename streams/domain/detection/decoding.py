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
_DIGITS = 2
"""Digits to the base 10,000 of a place."""
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
    width = places * _DIGITS
    words = np.frombuffer(b"".join(sent), ">i2")
    sizes = np.array([len(one) // 2 for one in sent], np.intp)
    heads = np.cumsum(sizes) - sizes
    exponents, lengths = words[heads + 1].astype(np.intp), sizes - _HEAD
    if (exponents >= width).any() or (exponents - lengths < -1).any() or words[heads + 2].any():
        raise ValueError(f"a number is no profile of {places} places")
    is_digit = np.ones(len(words), bool)
    is_digit[heads[:, None] + np.arange(_HEAD)] = False
    # The first digit of a number belongs at its exponent, each further digit one place to the left.
    first = np.arange(len(sent)) * width + exponents + np.cumsum(lengths) - lengths
    digits = np.zeros(len(sent) * width, np.int16)
    digits[np.repeat(first, lengths) - np.arange(lengths.sum())] = words[is_digit]
    by_place = digits.reshape(len(sent), places, _DIGITS)
    whole: Counts = by_place[:, :, 0] + by_place[:, :, 1] * np.int32(_BASE)
    return whole
