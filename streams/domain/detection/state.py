"""The state of a detector: everything that is kept from look to look."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.decay import Decay
from streams.domain.detection.left_out import LeftOut
from streams.domain.detection.profile import Flags, Reals, Rows
from streams.domain.detection.recent import COUNTED, LEAST, OUT, WAITING, Recent, Status
from streams.domain.detection.rows import grown, kept
from streams.domain.detection.waiting import Waiting

_UNMEASURED = np.array([[LEAST], [1], [0]], np.float32)
"""Variation, level and doubt of a pair without history."""
_OF_PAIRS = ("log_r", "firing", "rested", "since", "windows")


@dataclass(slots=True)
class State:
    """Sums over windows, and evidence and alerts of each pair."""

    baseline: Baseline
    waiting: Waiting
    recent: Recent
    left_out: LeftOut
    measured: Reals
    """Variation, level and doubt (3, n): see `recent.Recent`. During an excursion the values of the beginning."""
    log_s: Reals
    """Evidence of the excursion for a drop of d and of 2d (2, n)."""
    log_r: Reals
    """Evidence for a recovery since the alert fired (n,)."""
    firing: Flags
    rested: Flags
    """Resolved in the open window: the rest of the window says nothing."""
    since: NDArray[np.int64]
    """Start of the first window of the excursion; meaningful where `windows` is positive."""
    windows: NDArray[np.int64]
    """Closed windows of the excursion."""
    landmark: int = 0
    """The instant from which weights count: see `decay`."""
    open: int | None = None
    """Start of the open window."""
    closed: int | None = None
    """Start of the last closed window."""
    closes: int = 0
    """Windows that were closed."""

    @classmethod
    def empty(cls, pairs: int, slots: int) -> Self:
        """Return the state before the first window."""
        return cls(
            Baseline.empty(pairs, slots),
            Waiting.empty(pairs, slots),
            Recent.empty(pairs),
            LeftOut.empty(pairs),
            np.repeat(_UNMEASURED, pairs, axis=1),
            np.zeros((2, pairs)),
            np.zeros(pairs),
            np.zeros(pairs, bool),
            np.zeros(pairs, bool),
            np.zeros(pairs, np.int64),
            np.zeros(pairs, np.int64),
        )

    @property
    def pairs(self) -> int:
        """The number of pairs."""
        return len(self.firing)

    def decay(self, half_life: int) -> Decay:
        """Return the weights of windows."""
        return Decay(half_life, self.landmark)

    def begin(self, start: int, half_life: int) -> None:
        """Open a window."""
        if self.closed is None:
            self.landmark = start
        moved, by = self.decay(half_life).moved(start)
        if by != 1:
            self.landmark = moved.landmark
            self.baseline.scale(by)
            self.waiting.pool.scale(by)
        self.open = start
        self.rested[:] = False
        self.left_out.begin(start)

    def closing(self) -> int:
        """Close the open window, and return the start."""
        if self.open is None:
            raise ValueError("no window is open")
        self.closed, self.open, self.closes = self.open, None, self.closes + 1
        return self.closed

    def status_of(self, start: int) -> Status:
        """Return OUT, COUNTED or WAITING for each pair (n,); raises ValueError for a window that is not closed."""
        if self.closed is None or start > self.closed:
            raise ValueError(f"the window at {start} is not closed")
        status = self.left_out.status_of(start)
        status[(self.windows > 0) & (start >= self.since)] = WAITING
        return status

    def leave_out(self, rows: Rows, last: int) -> None:
        """Leave the windows of excursions, from `since` to `last`, out of the baseline for good."""
        if len(rows):
            self.waiting.take(rows)
            self.recent.turn(rows, WAITING, OUT)
            self.left_out.add(rows, self.since[rows], last)

    def forget(self, before: int) -> None:
        """Forget windows that ended before an instant and were left out."""
        self.left_out.forget(before)

    def join(self, rows: Rows) -> None:
        """End the suspicion of some pairs: the waiting windows join the baseline, and an alert fires no longer."""
        if not len(rows):
            return
        self.baseline.merge(*self.waiting.take(rows))
        self.recent.turn(rows, WAITING, COUNTED)
        self.firing[rows] = False
        self.log_s[:, rows] = 0.0
        self.log_r[rows] = 0.0
        self.windows[rows] = 0

    def adopt(self, rows: Rows) -> None:
        """Let the windows of excursions be the whole baseline of some pairs."""
        if len(rows):
            self.baseline.clear(rows)
            self.recent.turn(rows, COUNTED, OUT)
            self.left_out.born[rows] = self.since[rows]
            self.join(rows)

    def keep(self, rows: Rows) -> None:
        """Keep the state of some pairs, in the order given."""
        for part in (self.baseline, self.waiting, self.recent, self.left_out):
            part.keep(rows)
        self.measured, self.log_s = self.measured[:, rows], self.log_s[:, rows]
        for name in _OF_PAIRS:
            setattr(self, name, kept(getattr(self, name), rows))

    def grow(self, pairs: int) -> None:
        """Add further pairs, without history, behind the others."""
        for part in (self.baseline, self.waiting, self.recent, self.left_out):
            part.grow(pairs)
        self.measured = np.concatenate((self.measured, np.repeat(_UNMEASURED, pairs, axis=1)), axis=1)
        self.log_s = np.concatenate((self.log_s, np.zeros((2, pairs))), axis=1)
        for name in _OF_PAIRS:
            setattr(self, name, grown(getattr(self, name), pairs))
        if self.open is not None:
            self.left_out.begin(self.open)
