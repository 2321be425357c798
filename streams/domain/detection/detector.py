"""The detector of drops: evidence, baseline and state of many pairs, from look to look.

A *look* is at the end of a bucket of a window; the last look of a window is the *close*. The pairs of a detector share
their windows and the rule: the tenants' timezones are equal. Everything is computed for all pairs at once.

An *excursion* is a run of windows with an S > 1, the time in which a pair is under suspicion. The excursion's windows
wait outside of the baseline, so a slow drop does not become its own measure. When both S have fallen to 1, the windows
join the baseline; when an alert fires, the windows stay outside for good. Therefore the windows of an alert are all
compared with one and the same baseline, and a revision is followed by a computation from those windows alone: see
`rescore`.

A drop that is there to stay would fire for ever. An alert that has fired for LEARNING windows and a whole season is
*adopted*: the windows since the drop become the baseline, and the alert ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.cusum import RECOVERED
from streams.domain.detection.expectation import LEARNING
from streams.domain.detection.profile import BUCKETS, Counts, Flags, Profile, Reals
from streams.domain.detection.recent import COUNTED, LEAST, OUT, WAITING, Recent
from streams.domain.detection.season import Season


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found; each field has one value a pair."""

    fired: Flags
    resolved: Flags
    adopted: Flags
    """Resolved since the drop has become the normal level; only at a close."""
    log_e: Reals
    """Logarithms of the window's E-values (2, n)."""
    log_evidence: Reals
    """Logarithm of the evidence, the window included."""


class Hypotheses(Protocol):
    """Null and alternative about one window of many pairs."""

    @property
    def learned(self) -> Flags:
        """The pairs whose baseline is large enough."""

    def log_e(self, profile: Profile, age: int) -> Reals:
        """Return the logarithms of the E-values of what is visible at an age (2, n), for drops of d and 2d."""


class Test(Protocol):
    """What a rule looks for: `evidence.DropTest` or `traffic.TrafficTest`."""

    def variation(self, baseline: Baseline, recent: Recent) -> Reals:
        """Return the relative variance between windows (n,), with the error of the estimate."""

    def hypotheses(self, baseline: Baseline, variation: Reals, slot: int) -> Hypotheses:
        """Return the hypotheses about a window in a seasonal slot."""


class Detector:
    """The state of many pairs under one rule."""

    def __init__(self, pairs: int, season: Season, test: Test, log_threshold: float) -> None:
        self.season = season
        self.test = test
        self.log_threshold = log_threshold
        self.baseline = Baseline.empty(pairs, season)
        self.waiting = Baseline.empty(pairs, season)
        self.recent = Recent.empty(pairs)
        self.variation: Reals = np.full(pairs, LEAST)
        """As it was when the excursion began."""
        self.log_s: Reals = np.zeros((2, pairs))
        self.log_r: Reals = np.zeros(pairs)
        self.firing: Flags = np.zeros(pairs, bool)
        self.rested: Flags = np.zeros(pairs, bool)
        """Resolved in this window: the rest of the window says nothing."""
        self.since: NDArray[np.int64] = np.zeros(pairs, np.int64)
        """Start of the first window of the excursion; meaningful while the excursion lasts."""
        self.windows: NDArray[np.int64] = np.zeros(pairs, np.int64)
        """Windows of the excursion."""
        self._as_of: int | None = None
        self._opened: tuple[int, int] | None = None
        self.under: Hypotheses

    def open(self, start: int, slot: int) -> None:
        """Make the expectations of the window that starts at `start` (microseconds), in a seasonal slot."""
        if self._as_of is not None:
            by = 2.0 ** ((self._as_of - start) / self.season.half_life)
            self.baseline.decay(by)
            self.waiting.decay(by)
        self._as_of = start
        self._opened = start, slot
        self.rested[:] = False
        self.under = self.test.hypotheses(self.baseline, self.variation, slot)

    def look(self, profile: Profile, age: int) -> Look:
        """Look at the open window at an age; states change where the evidence suffices."""
        log_e = self.under.log_e(profile, age)
        evidence = log_evidence(self.log_s, log_e)
        silent = ~self.firing & ~self.rested
        fired = silent & self.under.learned & (evidence >= self.log_threshold)
        resolved = self.firing & (np.maximum(self.log_r, 0.0) - log_e[0] >= np.log(RECOVERED))
        self.firing = (self.firing | fired) & ~resolved
        self.rested |= resolved
        self.log_r[fired] = 0.0
        nothing = np.zeros_like(fired)
        return Look(fired, resolved, nothing, log_e, evidence)

    def close(self, profile: Profile) -> Look:
        """Look at the whole window, and keep the window in the baseline or outside."""
        if self._opened is None:
            raise RuntimeError("a window must be opened before the close")
        start, slot = self._opened
        look = self.look(profile, BUCKETS - 1)
        self.log_s = np.where(self.rested, 0.0, np.maximum(self.log_s, 0.0) + look.log_e)
        self.log_r = np.where(self.firing, np.maximum(self.log_r, 0.0) - look.log_e[0], 0.0)
        waited = self.windows > 0
        suspected = self.firing | (self.log_s > 0).any(0)
        self.since = np.where(suspected & (self.windows == 0), start, self.since)
        self.windows = np.where(suspected, self.windows + 1, 0)
        self.waiting.add(suspected, slot, profile)
        innocent = ~suspected & ~self.rested
        self.baseline.add(innocent, slot, profile)
        status = np.where(suspected, WAITING, np.where(innocent, COUNTED, OUT)).astype(np.int8)
        self.recent.put(start, slot, profile, status)
        self._join(innocent & waited)
        adopted = self.firing & (self.windows >= max(LEARNING, self.season.cycle))
        self._adopt(adopted)
        self.recent.turn(self.rested, WAITING, OUT)
        self.waiting.clear(self.rested)
        self._measure()
        return Look(look.fired, look.resolved, adopted, look.log_e, look.log_evidence)

    def revise(self, start: int, slot: int, before: Profile, after: Profile, status: Counts) -> None:
        """Replace a closed window's profiles; `status` says where each pair keeps the window: `Recent.status_of`."""
        weight = 2.0 ** ((start - (self._as_of or start)) / self.season.half_life)
        for sums, kept in ((self.baseline, COUNTED), (self.waiting, WAITING)):
            sums.remove(status == kept, slot, before, weight)
            sums.add(status == kept, slot, after, weight)
        self.recent.replace(start, after)
        self._measure()

    def rescore(self, pairs: Counts, windows: Iterable[tuple[int, int, Profile]]) -> Reals:
        """Return the greatest logarithm of the evidence that some pairs reach in an excursion (n,).

        `windows` are start, slot and present profiles of the excursion's windows, the first window first. Where the
        result is below the threshold, the alert would not have fired: `retract` takes the alert back.
        """
        log_s, greatest = np.zeros((2, len(pairs))), np.full(len(pairs), -np.inf)
        for start, slot, profile in windows:
            then = self.baseline.scaled(
                pairs, 2.0 ** (((self._as_of or start) - start) / self.season.half_life)
            )
            under = self.test.hypotheses(then, self.variation[pairs], slot)
            for age in range(BUCKETS):
                log_e = under.log_e(profile, age)
                greatest = np.maximum(greatest, log_evidence(log_s, log_e))
            log_s = np.maximum(log_s, 0.0) + log_e
        return greatest

    def retract(self, pairs: Flags) -> None:
        """Take alerts back: the excursion's windows join the baseline, and the suspicion ends."""
        self._join(pairs)
        self.firing &= ~pairs
        self.log_s[:, pairs] = 0.0
        self.windows[pairs] = 0
        self._measure()

    def _measure(self) -> None:
        fresh = self.windows == 0
        self.variation = np.where(fresh, self.test.variation(self.baseline, self.recent), self.variation)

    def _join(self, pairs: Flags) -> None:
        self.baseline.merge(pairs, self.waiting)
        self.waiting.clear(pairs)
        self.recent.turn(pairs, WAITING, COUNTED)

    def _adopt(self, adopted: Flags) -> None:
        self.baseline.clear(adopted)
        self.recent.turn(adopted, COUNTED, OUT)
        self._join(adopted)
        self.firing &= ~adopted
        self.log_s[:, adopted] = 0.0
        self.windows[adopted] = 0


def log_evidence(log_s: Reals, log_e: Reals) -> Reals:
    """Return the logarithm of the evidence, the mean of both S (n,), from S of the windows before and E (2, n)."""
    evidence: Reals = np.logaddexp(*(np.maximum(log_s, 0.0) + log_e)) - np.log(2)
    return evidence
