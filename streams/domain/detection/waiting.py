"""Windows that wait outside of the baseline, as sums for the pairs under suspicion only.

Few pairs are under suspicion at once, and sums are large: a pair gets a row in a pool for as long as a window of the
pair waits.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.profile import Profile, Rows
from streams.domain.detection.rows import grown

_NONE = -1


@dataclass(slots=True)
class Waiting:
    """The pool, and for each pair the row in the pool."""

    place: NDArray[np.int32]
    pool: Baseline

    @classmethod
    def empty(cls, pairs: int, slots: int) -> Self:
        """Return a pool in which no window waits."""
        return cls(np.full(pairs, _NONE, np.int32), Baseline.empty(0, slots))

    def add(self, rows: Rows, slot: int, profile: Profile, weight: float) -> None:
        """Add a window for some pairs; `profile` has a row for each of these pairs."""
        if not len(rows):
            return
        self._make_room(rows[self.place[rows] == _NONE])
        self.pool.add(self._places(rows), slot, profile, weight)

    def remove(self, rows: Rows, slot: int, profile: Profile, weight: float) -> None:
        """Take back what `add` did with the same window and weight."""
        self.pool.remove(self._places(rows), slot, profile, weight)

    def take(self, rows: Rows) -> tuple[Rows, Baseline]:
        """Return the pairs, among some, of which windows wait, and the sums of these windows; forget the windows."""
        held = rows[self.place[rows] != _NONE]
        places = self._places(held)
        sums = self.pool[places]
        self.pool.clear(places)
        self.place[held] = _NONE
        return held, sums

    def keep(self, rows: Rows) -> None:
        """Keep some of the pairs, in the order given."""
        place = self.place[rows]
        held = place != _NONE
        self.pool.keep(place[held].astype(np.intp))
        place[held] = np.arange(held.sum())
        self.place = place

    def grow(self, pairs: int) -> None:
        """Add further pairs behind the others."""
        self.place = grown(self.place, pairs, _NONE)

    def _places(self, rows: Rows) -> Rows:
        return self.place[rows].astype(np.intp)

    def _make_room(self, rows: Rows) -> None:
        """Give rows of the pool to pairs that have none."""
        if not len(rows):
            return
        used = np.zeros(len(self.pool.windows), bool)
        used[self.place[self.place != _NONE]] = True
        free = np.flatnonzero(~used)
        lacking = len(rows) - len(free)
        if lacking > 0:
            more = max(lacking, len(self.pool.windows) // 4)
            free = np.concatenate((free, len(self.pool.windows) + np.arange(more)))
            self.pool.grow(more)
        self.place[rows] = free[: len(rows)]
