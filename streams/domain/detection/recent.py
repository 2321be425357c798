"""The last windows of each pair: how much more the windows vary than a coin does, and the level of today.

A conversion rate varies between windows for reasons of its own: weather, mailings, holidays. Real daily rates of sales
stages have 3.2 to 3.8 times the variance of a binomial with a fixed rate. A detector that takes the windows for
tosses of one coin is wrong every day.

A rate may also rise or fall for months. A baseline is late: the mean window of a baseline of hours is 14 days old. So
the last windows, with a quarter of the half-life, say how far the *level* of today is from the baseline.

`Recent` measures three numbers (3, n): the variation, which is the relative variance between windows with the error of
the estimate; the level relative to the baseline; and the doubt, which is the relative variance of the level.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streams.domain.detection.knots import KNOTS, at_knots, knots_of
from streams.domain.detection.profile import Flags, Profile, Reals, Rows
from streams.domain.detection.rows import grown, kept, roomy

RECENT = 168
"""Windows that are kept: a week of hours. A standard deviation measured on 168 windows is right to 5 % of its value,
since its standard error is 1 / sqrt(2 * 168)."""
_UNTRIMMED = 100
"""Windows up to which every deviation counts. Among more windows the largest deviation is cut down to the next: an
outlier must not hide a drop."""
LEAST = 0.05**2
"""The least relative variance of rates between windows: no real funnel is a coin."""
_TYPICAL = 0.10**2
"""The relative variance from which the first step of the estimate starts."""
_LEVEL = 4
"""The level of today follows so many times faster than the baseline."""
_PSEUDO = 1.0
"""Pseudo-counts: a window without counts has a level of 1."""
_DRIFT = 0.05**2
"""The relative variance of true levels around the baseline: a measured level is believed as far as the doubt is smaller
(the best linear predictor: Robinson, Statist. Sci. 1991, 6:15)."""
_FIT = np.iinfo(np.uint16).max
OUT, COUNTED, WAITING = 0, 1, 2
"""Of a window: left out of the baseline, in the baseline, or not yet decided (see `detector`)."""
Status = NDArray[np.int8]
_OF_PAIRS = ("status", "roots", "converted")


@dataclass(slots=True)
class Recent:
    """A ring of windows: the first axis is the pair, the second the place in the ring."""

    starts: NDArray[np.int64]
    slots: NDArray[np.int64]
    status: Status
    roots: NDArray[np.float16]
    """Square roots of the entries by knot (n, 5, RECENT): small, and exact to a thousandth up to four billions."""
    converted: NDArray[np.uint16] | NDArray[np.float32]
    """Conversions (n, RECENT), in two bytes until a window of a pair has more than fit."""

    @classmethod
    def empty(cls, pairs: int) -> Self:
        """Return rings without windows."""
        return cls(
            np.full(RECENT, np.iinfo(np.int64).min),
            np.zeros(RECENT, np.int64),
            roomy((pairs, RECENT), np.int8),
            roomy((pairs, len(KNOTS), RECENT), np.float16),
            roomy((pairs, RECENT), np.uint16),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name; the first two have no axis of pairs."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __getitem__(self, pairs: slice | Rows) -> Self:
        """Return the rings of some pairs."""
        return type(self)(
            self.starts, self.slots, self.status[pairs], self.roots[pairs], self.converted[pairs]
        )

    def keep(self, rows: Rows) -> None:
        """Keep the rings of some pairs, in the order given."""
        for name in _OF_PAIRS:
            setattr(self, name, kept(getattr(self, name), rows))

    def grow(self, pairs: int) -> None:
        """Add the rings of further pairs behind the others."""
        for name in _OF_PAIRS:
            setattr(self, name, grown(getattr(self, name), pairs))

    def put(self, start: int, slot: int, profile: Profile, status: Status) -> None:
        """Note a window of all pairs: the window takes the place of the oldest window, or of itself."""
        same = np.flatnonzero(self.starts == start)
        at = int(same[0]) if len(same) else int(self.starts.argmin())
        self.starts[at], self.slots[at], self.status[:, at] = start, slot, status
        self._fill(slice(None), at, profile)

    def replace(self, start: int, rows: Rows, profile: Profile) -> None:
        """Give some pairs corrected profiles of a window, if the window is still among the last windows."""
        for at in np.flatnonzero(self.starts == start):
            self._fill(rows, int(at), profile)

    def _fill(self, rows: Rows | slice, at: int, profile: Profile) -> None:
        self.roots[rows, :, at] = np.sqrt(at_knots(profile.entered))
        converted = profile.converted_count
        if converted.max(initial=0) > _FIT:
            self.converted = self.converted.astype(np.float32)
        self.converted[rows, at] = converted

    def turn(self, rows: Rows, before: int, after: int) -> None:
        """Give all windows of some pairs that have the status `before` the status `after`."""
        if len(rows):
            status = self.status[rows]
            self.status[rows] = np.where(status == before, np.int8(after), status)

    def conversions_measured(self, rate: Reals, factors: Reals, half_life: int) -> Reals:
        """Return variation, level and doubt of the conversions (3, n).

        `rate` (n, 12) is the expected rate by bucket of entry, `factors` (n, slots) the seasonal factors.
        """
        at, factor, entered = knots_of(rate), factors[:, self.slots], self._entered()
        expected = np.einsum("nkw,nk->nw", entered, at) * factor
        chance = expected - np.einsum("nkw,nk->nw", entered, at**2) * factor**2
        return self._measured(self.converted.astype(np.float32), expected, chance, half_life)

    def entries_measured(self, per_slot: Reals, dispersion: Reals, half_life: int) -> Reals:
        """Return variation, level and doubt of the entries (3, n).

        `per_slot` (n, slots) are the expected entries, `dispersion` (n,) is the variance of entries within a window
        relative to a Poisson variable.
        """
        expected = per_slot[:, self.slots]
        return self._measured(self._entered().sum(1), expected, expected * dispersion[:, None], half_life)

    def _measured(self, observed: Reals, expected: Reals, chance: Reals, half_life: int) -> Reals:
        ages = (self.starts - float(self.starts.max())) / half_life
        weight = np.where(self.status == COUNTED, np.exp2(_LEVEL * ages).astype(np.float32), np.float32(0))
        total = (weight * expected).sum(1) + _PSEUDO
        level = ((weight * observed).sum(1) + _PSEUDO) / total
        variation = self._variation(
            observed, expected * level[:, None], np.maximum(chance, 1e-9) * level[:, None]
        )
        by_chance = (weight**2 * np.maximum(chance, 0)).sum(1)
        doubt = (variation * ((weight * expected) ** 2).sum(1) + by_chance) / total**2
        trusted = _DRIFT / (_DRIFT + doubt)
        return np.stack((variation, 1 + trusted * (level - 1), trusted * doubt))

    def _entered(self) -> Reals:
        entered: Reals = self.roots.astype(np.float32) ** 2
        return entered

    def _variation(self, observed: Reals, expected: Reals, chance: Reals) -> Reals:
        """Return the variance between windows, relative to the mean, by the method of moments in two steps.

        With the variance V by chance, a window gives (observed - expected)^2 - V, relative to expected^2. The weight
        is the inverse of the square of V / expected^2 plus the variance itself (Kleinman, J. Am. Stat. Assoc. 1973,
        68:46).
        """
        used = (self.status == COUNTED) & (expected > 0)
        level = np.maximum(expected, 1e-9)
        noise = np.where(used, np.maximum(chance, 1e-9) / level**2, 1.0)
        deviation = _trimmed(np.where(used, (observed / level - 1) ** 2 - noise, 0.0), used)
        first, _ = _mean(deviation, used / (noise + _TYPICAL) ** 2)
        mean, error = _mean(deviation, used / (noise + np.maximum(first, LEAST)[:, None]) ** 2)
        return np.maximum(mean + error, LEAST)


def _trimmed(deviation: Reals, used: Flags) -> Reals:
    """Return the deviations with the largest cut down to the second largest, where many windows are used."""
    many = np.flatnonzero(used.sum(1) > _UNTRIMMED)
    if len(many):
        some = np.where(used[many], deviation[many], -np.inf)
        rows, at = np.arange(len(many)), some.argmax(1)
        some[rows, at] = -np.inf
        deviation[many, at] = some.max(1)
    return deviation


def _mean(deviation: Reals, weight: Reals) -> tuple[Reals, Reals]:
    """Return the weighted mean of the deviations, and the standard error."""
    total = np.maximum(weight.sum(1), 1e-9)
    mean = (deviation * weight).sum(1) / total
    error = np.sqrt((((deviation - mean[:, None]) * weight) ** 2).sum(1)) / total
    return mean, error
