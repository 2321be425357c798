"""Baselines: what earlier windows say about a pair, in sums of constant size.

A window counts with the weight 2^(-age / half-life), so a baseline follows slow changes. All statistics are weighted
sums over windows. To add a window, to remove the window and to add a corrected one therefore give the same numbers as
a computation from all windows, up to rounding: the order does not matter. The weights decay together ("forward
decay": Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009), so nothing old has to be read again.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from streams.domain.detection.profile import BUCKETS, Counts, Flags, Profile, Reals
from streams.domain.detection.season import Season


@dataclass(slots=True)
class Baseline:
    """Weighted sums over windows, for each of many pairs (the first axis).

    The pairs share their windows: tenants with equal timezones.
    """

    windows: Reals
    """Windows with entries, without weights (n,)."""
    entered: Reals
    """Entries by slot and bucket (n, slots, 12)."""
    converted: Reals
    """Conversions by bucket of entry and of conversion (n, 12, 12)."""
    slot_converted: Reals
    """Conversions by slot (n, slots)."""
    weight: Reals
    """Weights of the windows by slot (n, slots), empty windows included."""
    weight_squared: Reals
    """Squares of the weights by slot (n, slots)."""
    filled: Reals
    """Weights of the windows with entries (n,)."""
    squares: Reals
    """By bucket, sums of entered[i]^2 / entries of the window (n, 12): the burstiness of entries."""

    @classmethod
    def empty(cls, pairs: int, season: Season) -> Self:
        """Return baselines without windows."""
        slots = season.slots
        return cls(
            np.zeros(pairs),
            np.zeros((pairs, slots, BUCKETS)),
            np.zeros((pairs, BUCKETS, BUCKETS)),
            np.zeros((pairs, slots)),
            np.zeros((pairs, slots)),
            np.zeros((pairs, slots)),
            np.zeros(pairs),
            np.zeros((pairs, BUCKETS)),
        )

    def decay(self, by: float) -> None:
        """Multiply all weights by a factor, because time has passed."""
        for field in fields(self):
            if field.name != "windows":
                getattr(self, field.name)[...] *= by * by if field.name == "weight_squared" else by

    def scaled(self, pairs: Counts, by: float) -> Self:
        """Return a copy of the sums of some pairs, with all weights multiplied by a factor."""
        copy = type(self)(*(getattr(self, field.name)[pairs] for field in fields(self)))
        copy.decay(by)
        return copy

    def add(self, pairs: Flags, slot: int, profile: Profile, weight: float = 1.0) -> None:
        """Add a window, in a seasonal slot, for some pairs."""
        self._move(pairs, slot, profile, weight, 1)

    def remove(self, pairs: Flags, slot: int, profile: Profile, weight: float = 1.0) -> None:
        """Take back what `add` did with the same window and the weight that the window has now."""
        self._move(pairs, slot, profile, weight, -1)

    def _move(self, pairs: Flags, slot: int, profile: Profile, weight: float, sign: int) -> None:
        rows = np.flatnonzero(pairs)
        entered, converted = profile.entered[rows], profile.converted[rows]
        total = entered.sum(-1)
        by = sign * weight
        self.windows[rows] += sign * (total > 0)
        self.entered[rows, slot] += by * entered
        self.converted[rows] += by * converted
        self.slot_converted[rows, slot] += by * converted.sum((-2, -1))
        self.weight[rows, slot] += by
        self.weight_squared[rows, slot] += sign * weight * weight
        self.filled[rows] += by * (total > 0)
        self.squares[rows] += by * entered**2 / np.maximum(total, 1)[:, None]

    def merge(self, pairs: Flags, other: "Baseline") -> None:
        """Add the sums of `other` for some pairs."""
        for field in fields(self):
            getattr(self, field.name)[pairs] += getattr(other, field.name)[pairs]

    def clear(self, pairs: Flags) -> None:
        """Forget all windows of some pairs."""
        for field in fields(self):
            getattr(self, field.name)[pairs] = 0
