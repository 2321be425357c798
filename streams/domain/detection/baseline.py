"""Baselines: what earlier windows say about a pair, in sums of constant size.

Newer windows have greater weights (`decay`), so a baseline follows slow changes. All statistics are weighted sums over
windows. To add a window, to remove the window and to add a corrected one therefore give the same numbers as a
computation from all windows, up to rounding: the order does not matter.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from streams.domain.detection.knots import KNOTS, at_knots
from streams.domain.detection.profile import BUCKETS, Flags, Profile, Reals, Rows
from streams.domain.detection.rows import grown, kept, roomy

CELLS = np.flatnonzero(np.triu(np.ones((BUCKETS, BUCKETS))))
"""The cells of a flattened profile that may have a count: a conversion is not before the entry."""
_CHUNK = 4096
"""Pairs to which a window is added at once: the working memory stays small."""


@dataclass(slots=True)
class Baseline:
    """Weighted sums over windows, for each of many pairs (the first axis).

    The pairs share their windows: tenants with equal timezones.
    """

    windows: Reals
    """Windows with entries, without weights (n,)."""
    filled: Reals
    """Weights of the windows with entries (n,)."""
    entered: Reals
    """Entries by bucket (n, 12)."""
    squares: Reals
    """By bucket, sums of entered[i]^2 / entries of the window (n, 12): the burstiness of entries."""
    converted: Reals
    """Conversions by bucket of entry and of conversion (n, 78): the cells of CELLS, one behind the other."""
    slot_entered: Reals
    """Entries by slot and knot (n, slots, 5)."""
    slot_converted: Reals
    """Conversions by slot (n, slots)."""
    weight: Reals
    """Weights of the windows by slot (n, slots), empty windows included."""
    weight_squared: Reals
    """Squares of the weights by slot (n, slots)."""

    @classmethod
    def empty(cls, pairs: int, slots: int) -> Self:
        """Return baselines without windows."""
        shapes = ((), (), (BUCKETS,), (BUCKETS,), (len(CELLS),), (slots, len(KNOTS)), *[(slots,)] * 3)
        return cls(*(roomy((pairs, *shape), np.float32) for shape in shapes))

    def arrays(self) -> dict[str, Reals]:
        """Return the sums by name."""
        return {name: getattr(self, name) for name in _SUMS}

    def scale(self, by: float) -> None:
        """Multiply all weights by a factor, because the landmark has moved."""
        for name, array in self.arrays().items():
            if name != "windows":
                array[...] *= by * by if name == "weight_squared" else by

    def __getitem__(self, pairs: slice | Rows) -> Self:
        """Return the sums of some pairs."""
        return type(self)(*(array[pairs] for array in self.arrays().values()))

    def all_converted(self) -> Reals:
        """Return the conversions with the cells that have none (n, 12, 12)."""
        cells = np.zeros((len(self.converted), BUCKETS**2), np.float32)
        cells[:, CELLS] = self.converted
        return cells.reshape(-1, BUCKETS, BUCKETS)

    def keep(self, pairs: Rows) -> None:
        """Keep the sums of some pairs, in the order given."""
        for name, array in self.arrays().items():
            setattr(self, name, kept(array, pairs))

    def grow(self, pairs: int) -> None:
        """Add further pairs, without windows, behind the others."""
        for name, array in self.arrays().items():
            setattr(self, name, grown(array, pairs))

    def add(self, rows: Rows, slot: int, profile: Profile, weight: float) -> None:
        """Add a window, in a seasonal slot, for some pairs; `profile` has a row for each of these pairs."""
        self._move(rows, slot, profile, weight, np.ones(len(rows), np.float32))

    def remove(self, rows: Rows, slot: int, profile: Profile, weight: float) -> None:
        """Take back what `add` did with the same window and weight."""
        self._move(rows, slot, profile, weight, np.full(len(rows), -1, np.float32))

    def add_where(self, pairs: Flags, slot: int, profile: Profile, weight: float) -> None:
        """Add a window like `add`, for the pairs that are True (n,); faster than `add` where most are."""
        sign = pairs.astype(np.float32)
        for start in range(0, len(sign), _CHUNK):
            some = slice(start, start + _CHUNK)
            self._move(some, slot, profile[some], weight, sign[some])

    def _move(self, rows: Rows | slice, slot: int, profile: Profile, weight: float, sign: Reals) -> None:
        """Add (sign 1), take back (-1) or leave (0) the window of each pair in `rows`."""
        entered = profile.entered.astype(np.float32)
        converted = profile.converted.reshape(-1, BUCKETS**2)[:, CELLS].astype(np.float32)
        by, total = sign * np.float32(weight), entered.sum(1)
        self.windows[rows] += sign * (total > 0)
        self.filled[rows] += by * (total > 0)
        self.entered[rows] += by[:, None] * entered
        self.squares[rows] += by[:, None] * entered**2 / np.maximum(total, 1)[:, None]
        self.slot_converted[rows, slot] += by * converted.sum(1)
        converted *= by[:, None]
        self.converted[rows] += converted
        self.slot_entered[rows, slot] += by[:, None] * at_knots(profile.entered)
        self.weight[rows, slot] += by
        self.weight_squared[rows, slot] += sign * weight * weight

    def merge(self, rows: Rows, other: "Baseline") -> None:
        """Add the sums of `other`, a row for each of some pairs."""
        for mine, theirs in zip(self.arrays().values(), other.arrays().values(), strict=True):
            mine[rows] += theirs

    def clear(self, rows: Rows) -> None:
        """Forget all windows of some pairs."""
        for array in self.arrays().values():
            array[rows] = 0


_SUMS = tuple(field.name for field in fields(Baseline))
