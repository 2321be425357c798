"""Profiles: the counts of a pair of stages in a window, by age of entry and of conversion.

A window is cut into BUCKETS equal buckets. A deal is counted in `entered[i]` if the deal's first entry into the pair's
first stage lies in bucket i, and in `converted[i, j]` if the first entry into the second stage lies in bucket j. A
conversion is later than the entry, therefore j >= i. The *age* of a look is the number of the last bucket that has
ended. Example: three deals entered in bucket 0, one of the three converted in bucket 2. At age 1 nothing of the
conversion is visible; from age 2 on one of three is converted.
"""

from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Reals: TypeAlias = NDArray[np.floating[Any]]
Counts: TypeAlias = NDArray[np.integer[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]
"""Numbers of pairs: places on the first axis of an array."""

BUCKETS = 12
"""Buckets of a window: a look every 5 minutes in an hour, every 2 hours in a day."""

_UP_TO = np.triu(np.ones((BUCKETS, BUCKETS), np.float32))


def bucket_of(start: int, end: int, at: int) -> int:
    """Return the bucket of the window `[start, end)` that holds the instant `at`; all three in microseconds."""
    return (at - start) * BUCKETS // (end - start)


def bucket_end(start: int, end: int, bucket: int) -> int:
    """Return the first instant after a bucket: the first instant for which `bucket_of` is greater."""
    return start - (start - end) * (bucket + 1) // BUCKETS


def running(converted: Counts | Reals) -> Reals:
    """Return the sums of cells (n, 12, m) up to each bucket of conversion, by bucket of conversion first (m, n, 12).

    The buckets are added one by one, for all pairs at once: this is several times as fast as `numpy.cumsum`.
    """
    sums = np.ascontiguousarray(converted.transpose(2, 0, 1), np.float32)  # exact, as counts are integers
    for bucket in range(1, len(sums)):
        sums[bucket] += sums[bucket - 1]
    return sums


@dataclass(frozen=True)
class Profile:
    """The profiles of one or more pairs in one window: `entered` (..., 12) and `converted` (..., 12, 12)."""

    entered: Counts
    converted: Counts

    @classmethod
    def empty(cls, *shape: int) -> Self:
        """Return profiles of windows that no deal entered."""
        return cls(np.zeros((*shape, BUCKETS), np.int32), np.zeros((*shape, BUCKETS, BUCKETS), np.int32))

    @classmethod
    def compact(cls, pairs: int) -> Self:
        """Return profiles of windows that no deal entered, of half the size: see `put`."""
        cells = np.zeros((pairs, BUCKETS, BUCKETS), np.uint16)
        return cls(np.zeros((pairs, BUCKETS), np.int32), cells)

    def put(self, pairs: Rows, converted: Counts) -> "Profile":
        """Put in the conversions of some pairs; the returned object is another one where numbers must be wider."""
        profile = self
        if converted.max(initial=0) > np.iinfo(self.converted.dtype).max:
            profile = Profile(self.entered, self.converted.astype(np.int32))
        profile.converted[pairs] = converted
        return profile

    def __getitem__(self, pairs: slice | Flags | Rows) -> "Profile":
        """Return the profiles of some of the pairs."""
        return Profile(self.entered[pairs], self.converted[pairs])

    @property
    def entered_count(self) -> Counts:
        """The deals that entered: the fact's `entered_count`."""
        count: Counts = self.entered.sum(-1)
        return count

    @property
    def converted_count(self) -> Counts:
        """The deals that converted within the window: the fact's `converted_count`."""
        count: Counts = self.converted.sum((-2, -1))
        return count

    def cut(self, age: int) -> "Profile":
        """Return what was visible at an age: entries and conversions of the buckets up to `age`."""
        entered, converted = self.entered.copy(), self.converted.copy()
        entered[..., age + 1 :] = 0
        converted[..., age + 1 :] = 0
        return Profile(entered, converted)

    def by_age(self, ages: slice) -> Reals:
        """Return the deals that have converted at some ages, by bucket of entry (ages, n, 12)."""
        return running(self.converted[..., : ages.stop])[ages]

    def at(self, ages: Rows) -> Reals:
        """Return the deals that have converted at an age of each pair, by bucket of entry (n, 12)."""
        by: Reals = np.matmul(self.converted.astype(np.float32), _UP_TO.T[ages][:, :, None])[:, :, 0]
        return by

    def check(self) -> None:
        """Raise ValueError if the counts cannot be a profile: negative, before the entry, or more than entered."""
        if (self.entered < 0).any() or (self.converted < 0).any():
            raise ValueError("a profile has a negative count")
        if np.tril(self.converted, -1).any():
            raise ValueError("a profile has a conversion before the entry")
        if (self.converted.sum(-1) > self.entered).any():
            raise ValueError("a profile has more conversions than entries in a bucket")
