"""The last windows of each pair, and how much more the windows vary than a coin does.

A conversion rate varies between windows for reasons of its own: weather, mailings, holidays. Real daily rates of sales
stages have 3.2 to 3.8 times the variance of a binomial with a fixed rate. A detector that takes the windows for
tosses of one coin is wrong every day.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streams.domain.detection.profile import BUCKETS, Flags, Profile, Reals

RECENT = 168
"""Windows that are kept: a week of hours. A standard deviation measured on 168 windows is right to 5 % of its value,
since its standard error is 1 / sqrt(2 * 168)."""
_TRIMMED = 0.01
"""Share of windows whose deviation is cut down to the largest of the others: an outlier must not hide a drop."""
LEAST = 0.05**2
"""The least relative variance of rates between windows: no real funnel is a coin."""
_TYPICAL = 0.10**2
"""The relative variance from which the first step of the estimate starts."""
_Floats = NDArray[np.floating[Any]]
OUT, COUNTED, WAITING = 0, 1, 2
"""Of a window: left out of the baseline, in the baseline, or not yet decided (see `detector`)."""


@dataclass(slots=True)
class Recent:
    """A ring of windows: the first axis is the pair, the second the place in the ring."""

    starts: NDArray[np.int64]
    slots: NDArray[np.int64]
    status: NDArray[np.int8]
    entered: NDArray[np.float32]
    converted: NDArray[np.float32]

    @classmethod
    def empty(cls, pairs: int) -> Self:
        """Return rings without windows."""
        return cls(
            np.full(RECENT, np.iinfo(np.int64).min),
            np.zeros(RECENT, np.int64),
            np.zeros((pairs, RECENT), np.int8),
            np.zeros((pairs, RECENT, BUCKETS), np.float32),
            np.zeros((pairs, RECENT), np.float32),
        )

    def put(self, start: int, slot: int, profile: Profile, status: NDArray[np.int8]) -> None:
        """Note a window of all pairs: the window takes the place of the oldest window, or of itself."""
        same = np.flatnonzero(self.starts == start)
        at = int(same[0]) if len(same) else int(self.starts.argmin())
        self.starts[at], self.slots[at], self.status[:, at] = start, slot, status
        self.entered[:, at], self.converted[:, at] = profile.entered, profile.converted_count

    def turn(self, pairs: Flags, before: int, after: int) -> None:
        """Give all windows of some pairs that have the status `before` the status `after`."""
        self.status[pairs] = np.where(self.status[pairs] == before, np.int8(after), self.status[pairs])

    def replace(self, start: int, profile: Profile) -> None:
        """Give a window corrected profiles, if the window is still among the last windows."""
        for at in np.flatnonzero(self.starts == start):
            self.entered[:, at], self.converted[:, at] = profile.entered, profile.converted_count

    def status_of(self, start: int) -> NDArray[np.int64] | None:
        """Return OUT, COUNTED or WAITING for each pair (n,); None for a window that is no longer here."""
        for at in np.flatnonzero(self.starts == start):
            return self.status[:, at].astype(np.int64)
        return None

    def conversion_variation(self, rate: Reals, factors: Reals) -> Reals:
        """Return the relative variance between the windows' conversion rates (n,), with the error of the estimate.

        `rate` (n, 12) is the expected rate by bucket of entry, `factors` (n, slots) the seasonal factors.
        """
        factor = factors[:, self.slots].astype(np.float32)
        sums = self.entered @ np.stack((rate, rate**2), axis=-1).astype(np.float32)
        expected = sums[..., 0] * factor
        return self._variation(self.converted, expected, expected - sums[..., 1] * factor**2)

    def traffic_variation(self, per_slot: Reals, dispersion: Reals) -> Reals:
        """Return the relative variance between the windows' entries (n,), with the error of the estimate.

        `per_slot` (n, slots) are the expected entries, `dispersion` (n,) is the variance of entries within a window
        relative to a Poisson variable.
        """
        expected = per_slot[:, self.slots]
        return self._variation(self.entered.sum(2), expected, expected * dispersion[:, None])

    def _variation(self, observed: _Floats, expected: _Floats, chance: _Floats) -> Reals:
        """Return the variance between windows, relative to the mean, by the method of moments in two steps.

        With the variance V by chance, a window gives (observed - expected)^2 - V, relative to expected^2. The weight
        is the inverse of the square of V / expected^2 plus the variance itself (Kleinman, J. Am. Stat. Assoc. 1973,
        68:46).
        """
        used = (self.status == COUNTED) & (expected > 0)
        level = np.maximum(expected, 1e-9)
        noise = np.maximum(chance, 1e-9) / level**2
        deviation = np.where(used, (observed / level - 1) ** 2 - noise, -np.inf)
        first, _ = _trimmed_mean(deviation, used / (noise + _TYPICAL) ** 2)
        mean, error = _trimmed_mean(deviation, used / (noise + np.maximum(first, LEAST)[:, None]) ** 2)
        return np.maximum(mean + error, LEAST)


def _trimmed_mean(deviation: _Floats, weight: _Floats) -> tuple[Reals, Reals]:
    """Return the weighted mean of deviations that are not -inf, the greatest trimmed, and the standard error."""
    count = np.isfinite(deviation).sum(1)
    place = np.clip(RECENT - count + np.ceil(count * (1 - _TRIMMED)).astype(np.int64) - 1, 0, RECENT - 1)
    cap = np.take_along_axis(np.sort(deviation, axis=1), place[:, None], axis=1)
    capped = np.where(weight > 0, np.minimum(deviation, cap), 0.0)
    total = np.maximum(weight.sum(1), 1e-9)
    mean = (capped * weight).sum(1) / total
    error = np.sqrt((((capped - mean[:, None]) * weight) ** 2).sum(1)) / total
    return mean, error
