"""What others do, on the same traffic: a score test, and a comparison with the previous window."""

import numpy as np

from streams.domain.detection.profile import BUCKETS, Flags, Profile, Reals

_P_BELOW_5_PERCENT = 1.645
_FEWEST = 20
"""Entries from which the score test has a say: a rule of thumb of the field."""


class ScoreTest:
    """p < .05 and a fall of at least `drop`, at every bucket, against all earlier windows of the slot at equal age."""

    def __init__(self, pairs: int, slots: int, drop: float) -> None:
        self.drop = drop
        self.alarms = 0
        self._entered = np.zeros((slots, BUCKETS, pairs))
        self._converted = np.zeros((slots, BUCKETS, pairs))
        self._alarmed: Flags = np.zeros(pairs, bool)

    def watch(self, profile: Profile, slot: int, *, counted: bool) -> None:
        """Look at a window twelve times; an alarm that goes on from the window before is one alarm."""
        entered = np.cumsum(profile.entered, axis=1).T.astype(np.float64)
        converted = np.cumsum(profile.converted.sum(1), axis=1).T.astype(np.float64)
        alarmed = np.zeros_like(self._alarmed)
        for looked in self._alarmed_by(entered, converted, self._entered[slot], self._converted[slot]):
            alarmed |= looked
        self.alarms += int((alarmed & ~self._alarmed).sum()) * counted
        self._alarmed = alarmed
        self._entered[slot] += entered
        self._converted[slot] += converted

    def _alarmed_by(self, entered: Reals, converted: Reals, before: Reals, converted_before: Reals) -> Flags:
        usual = converted_before / np.maximum(before, 1)
        pooled = (converted + converted_before) / np.maximum(entered + before, 1)
        error = np.sqrt(
            np.maximum(pooled * (1 - pooled), 1e-9) * (1 / np.maximum(entered, 1) + 1 / np.maximum(before, 1))
        )
        rate = converted / np.maximum(entered, 1)
        fallen = (rate <= usual * (1 - self.drop)) & ((usual - rate) / error >= _P_BELOW_5_PERCENT)
        alarmed: Flags = fallen & (entered >= _FEWEST) & (usual > 0)
        return alarmed


class PreviousWindow:
    """A fall of at least `drop` against the previous window, when the window has ended."""

    def __init__(self, pairs: int, drop: float) -> None:
        self.drop = drop
        self.alarms = 0
        self._before: Reals = np.zeros(pairs)
        self._alarmed: Flags = np.zeros(pairs, bool)

    def watch(self, profile: Profile, *, counted: bool) -> None:
        """Look at a window once; an alarm that goes on from the window before is one alarm."""
        rate = profile.converted_count / np.maximum(profile.entered_count, 1)
        alarmed = (self._before > 0) & (rate <= (1 - self.drop) * self._before)
        self.alarms += int((alarmed & ~self._alarmed).sum()) * counted
        self._alarmed, self._before = alarmed, rate
