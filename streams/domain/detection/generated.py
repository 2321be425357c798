"""Generated traffic: windows of pairs of stages in five shapes, from a seed.

The shapes are the ways in which real funnels mislead a detector. In every shape the true rate varies from window to
window as a Gamma variable; the *variation* is the standard deviation relative to the mean.

| shape | entries a window | variation | besides |
|---|---|---|---|
| steady | 200 | 10 % | |
| weekly | 80 to 320 by hour | 10 % | the rate follows the hours by 25 %; fewer entries and lower rates at weekends |
| small | 10 | 10 % | |
| bursty | 200 | 20 % | every twentieth window has an import of 400 deals in the last but one bucket |
| trending | 200 | 10 % | the rate falls by a quarter every two months |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi, sin

import numpy as np

from streams.domain.detection.profile import BUCKETS, Profile, Reals
from streams.domain.detection.shapes import SHAPES

_DELAY = 2.0
"""Mean delay of a conversion, in buckets: geometric delays, cut off at the end of the window."""
_IMPORT_BUCKET = BUCKETS - 2


@dataclass(frozen=True, slots=True)
class Traffic:
    """Traffic of `pairs` pairs of stages, with base rates `rates` (pairs,) before shape and variation."""

    shape: str
    rates: Reals
    seed: int
    windows_a_day: int = 24
    drop: float = 0.0
    """The relative fall of the rates from the window `drop_at` on."""
    drop_at: int = 0

    def windows(self, count: int) -> Iterator[Profile]:
        """Yield the profiles of all pairs, window after window; raises ValueError for an unknown shape."""
        if self.shape not in SHAPES:
            raise ValueError(f"{self.shape!r} is no shape of traffic: name one of {', '.join(SHAPES)}")
        random = np.random.default_rng([self.seed, SHAPES.index(self.shape)])
        for number in range(count):
            yield self._window(number, random)

    def _window(self, number: int, random: np.random.Generator) -> Profile:
        pairs = len(self.rates)
        volume, factor, variation = self._level(number)
        entered = random.poisson(volume / BUCKETS, (pairs, BUCKETS))
        if self.shape == "bursty":
            imported = random.random(pairs) < 0.05
            entered[:, _IMPORT_BUCKET] += imported * random.poisson(2 * volume, pairs)
        theta = random.gamma(variation**-2, variation**2, pairs)
        fall = 1 - self.drop * (number >= self.drop_at)
        rate = np.clip(self.rates * factor * theta * fall, 0, 0.98)
        converting = random.binomial(entered, rate[:, None])
        delays = np.exp(-np.arange(BUCKETS) / _DELAY)
        after = random.multinomial(converting, delays / delays.sum())
        converted = np.zeros((pairs, BUCKETS, BUCKETS), np.int32)
        for bucket in range(BUCKETS):  # a conversion after the end of the window is none
            converted[:, bucket, bucket:] = after[:, bucket, : BUCKETS - bucket]
        return Profile(entered.astype(np.int32), converted)

    def _level(self, number: int) -> tuple[float, float, float]:
        """Return a window's mean entries, the factor on the rates, and the variation."""
        day, part = divmod(number, self.windows_a_day)
        hour, weekend = 24 * part / self.windows_a_day, day % 7 >= 5
        match self.shape:
            case "weekly":
                entries = 200 * (1 + 0.6 * sin((hour - 8) / 24 * 2 * pi)) * (0.4 if weekend else 1)
                return entries, 1 + 0.25 * sin((hour - 6) / 24 * 2 * pi) - 0.2 * weekend, 0.10
            case "small":
                return 10.0, 1.0, 0.10
            case "bursty":
                return 200.0, 1.0, 0.20
            case "trending":
                return 200.0, 0.75 ** (day / 60), 0.10
            case _:
                return 200.0, 1.0, 0.10
