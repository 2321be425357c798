"""Longer and longer pauses between attempts, each a little different."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Backoff:
    """Pauses that double from `first` to `most`; each is shortened by chance, to a half at the most.

    `chance` returns a number from 0 to 1. Example: with 0.5 the pauses are 0.75 s, 1.5 s, 3 s, ... and 225 s.
    """

    first: timedelta = timedelta(seconds=1)
    most: timedelta = timedelta(minutes=5)
    chance: Callable[[], float] = random.SystemRandom().random

    def pause(self, failures: int) -> timedelta:
        """Return the pause after so many failures in a row, from 1 on."""
        longest = min(self.most, self.first * (1 << min(failures - 1, 30)))
        return longest * (1 - self.chance() / 2)
