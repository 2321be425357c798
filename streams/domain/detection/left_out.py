"""The place at which each pair keeps a window: in the baseline, waiting, or nowhere."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streams.domain.detection.profile import Counts, Rows
from streams.domain.detection.recent import COUNTED, OUT, Status
from streams.domain.detection.rows import grown, kept

_NEVER = np.iinfo(np.int64).max


@dataclass(slots=True)
class LeftOut:
    """Windows that are in no baseline: those before a pair's first window, and those of alerts."""

    born: NDArray[np.int64]
    """Start of the first window in the pair's baseline (n,)."""
    spans: NDArray[np.int64]
    """Starts of the first and of the last window of an alert, after the number of the pair (m, 3)."""

    @classmethod
    def empty(cls, pairs: int) -> Self:
        """Return pairs that have not had a window."""
        return cls(np.full(pairs, _NEVER), np.zeros((0, 3), np.int64))

    def begin(self, start: int) -> None:
        """Note the first window of pairs that have not had one."""
        self.born[self.born == _NEVER] = start

    def add(self, rows: Rows, first: Counts, last: int) -> None:
        """Leave out the windows from `first` (one value a row) to `last`."""
        if len(rows):
            more = np.stack((rows, first, np.full(len(rows), last)), axis=1)
            self.spans = np.concatenate((self.spans, more))

    def forget(self, before: int) -> None:
        """Forget spans that ended before an instant."""
        if len(self.spans):
            self.spans = self.spans[self.spans[:, 2] >= before]

    def status_of(self, start: int) -> Status:
        """Return OUT or COUNTED for each pair (n,)."""
        status = np.where(start < self.born, OUT, COUNTED).astype(np.int8)
        holding = (self.spans[:, 1] <= start) & (start <= self.spans[:, 2])
        status[self.spans[holding, 0]] = OUT
        return status

    def keep(self, rows: Rows) -> None:
        """Keep some of the pairs, in the order given."""
        place = np.full(len(self.born), -1)
        place[rows] = np.arange(len(rows))
        self.born = kept(self.born, rows)
        self.spans[:, 0] = place[self.spans[:, 0]]
        self.spans = self.spans[self.spans[:, 0] >= 0]

    def grow(self, pairs: int) -> None:
        """Add further pairs, which have not had a window, behind the others."""
        self.born = grown(self.born, pairs, _NEVER)
