"""Weights of windows: a window counts half after a half-life.

The weight of a window is 2^((start - landmark) / half-life), so weights grow and nothing old is touched as time passes
("forward decay": Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009). Only a ratio of two weights means something. When
weights have become large, the landmark moves, and all sums are multiplied by a power of two, which is exact.
"""

from dataclasses import dataclass

_LARGE = 16
"""Half-lives from the landmark after which the landmark moves."""


@dataclass(frozen=True, slots=True)
class Decay:
    """Half-life and landmark in microseconds."""

    half_life: int
    landmark: int

    def weight(self, start: int) -> float:
        """Return the weight of the window that starts at `start`."""
        return float(2.0 ** ((start - self.landmark) / self.half_life))

    def moved(self, now: int) -> tuple["Decay", float]:
        """Return the decay with a landmark that is near enough to `now`, and the factor for all sums."""
        steps = max(0, (now - self.landmark) // self.half_life)
        if steps < _LARGE:
            return self, 1.0
        return Decay(self.half_life, self.landmark + steps * self.half_life), 2.0**-steps


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment of a look: the seasonal slot, the weight of a window that starts now, and the half-life."""

    slot: int
    weight: float
    half_life: int
