"""The detector of drops: evidence, baseline and state of many pairs, from look to look.

A *look* is at the end of a bucket of a window; the last look of a window is the *close*. The pairs of a detector share
their windows and the rule: the tenants' timezones are equal. Everything is computed for all pairs at once.

An *excursion* is a run of windows with an S > 1, the time in which a pair is under suspicion. The excursion's windows
wait outside of the baseline, so a slow drop does not become its own measure. When both S have fallen to 1, the windows
join the baseline; when an alert resolves, the windows stay outside for good. Therefore the windows of an alert are all
compared with one and the same baseline, and a revision is followed by a computation from those windows alone: see
`rescore`.

A drop that is there to stay would fire for ever. An alert that has fired for LEARNING windows, a whole season and a day
is *adopted*: the windows since the drop become the baseline, and the alert ends.

Cheap bounds spare most computations (`Hypotheses.bounds`): before the close an E-value is computed where an alert may
fire or resolve, at the close where the pair is under suspicion or could come under suspicion. Elsewhere 0 stands for
the E-value. A smaller E-value makes an alarm no more probable, so the budget holds.

The variation between windows and the level of today are measured again 14 times in a season, at most once a window:
after 12 hours, or at each day.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from streams.domain.detection.cusum import RECOVERED, log_evidence
from streams.domain.detection.decay import Moment
from streams.domain.detection.expectation import LEARNING
from streams.domain.detection.hypotheses import Hypotheses, Question
from streams.domain.detection.look import Foreseen, Look
from streams.domain.detection.profile import BUCKETS, Flags, Profile, Reals, Rows
from streams.domain.detection.recent import COUNTED, OUT, WAITING, Status
from streams.domain.detection.season import Season
from streams.domain.detection.snapshot import from_file, parts
from streams.domain.detection.state import State

_LOG_RECOVERED = float(np.log(RECOVERED))
_MEASURED = 14
"""Variation and level are measured so many times in a season, at most once a window."""
_FORESEEN = 10_000
"""The most pairs for which all looks at a window are prepared at once: the memory is that of twelve looks."""
_REMEMBERED = 20
"""Half-lives after which a window that was left out is forgotten: a weight of a millionth."""


class Detector:
    """The state of many pairs under one rule."""

    def __init__(self, state: State, season: Season, test: Question, log_threshold: float | Reals) -> None:
        self.state = state
        self.season = season
        self.test = test
        self.log_threshold = log_threshold
        self.edition = object()
        self._under: Hypotheses | None = None
        self._stale = False
        self._foreseen: Foreseen | None = None
        self._stirred = False
        self._renew()

    @classmethod
    def empty(cls, pairs: int, season: Season, test: Question, log_threshold: float | Reals) -> "Detector":
        """Return a detector that has seen no window."""
        return cls(State.empty(pairs, season.slots), season, test, log_threshold)

    @property
    def under(self) -> Hypotheses:
        """The expectations of the open window, or of the last closed window; raises ValueError before the first.

        `edition` is another object after each change of the expectations.
        """
        if self._stale and self.state.open is not None:
            self._expect(self.state.open, self.state.measured)
        if self._under is None:
            raise ValueError("nothing is expected before the first window opens")
        return self._under

    def open(self, start: int) -> None:
        """Make the expectations of the window that starts at `start` (microseconds), later than all before."""
        state = self.state
        if state.open is not None or (state.closed is not None and start <= state.closed):
            raise ValueError(
                f"the window at {start} cannot open: close the window before; go forward in time"
            )
        state.begin(start, self.season.half_life)
        due = state.closes % max(1, self.season.cycle // _MEASURED) == 0
        self._expect(start, np.where(due & (state.windows == 0), np.nan, state.measured))

    @property
    def is_stale(self) -> bool:
        """True while the expectations of the open window are still to be made: `under` makes them."""
        return self._stale and self.state.open is not None

    def _expect(self, start: int, known: Reals) -> None:
        """Make the expectations; `known` is `State.measured`, NaN where to be measured anew."""
        state = self.state
        self._under = None  # expectations of many pairs are large: forgotten before the next are made
        under = self.test.hypotheses(
            state.baseline, state.recent, known.astype(np.float32), self._moment(start)
        )
        state.measured = under.measured
        self._under, self.edition = under, object()
        self._foreseen, self._stale = None, False

    def _renew(self) -> None:
        """Have the expectations of the open window made anew when they are needed, since the state has changed."""
        self._foreseen, self._stale = None, True
        if self.state.open is not None:
            self._under = None  # large, and of no use any more

    def _moment(self, start: int) -> Moment:
        return Moment(self.season.slot_of(start), self._weight(start), self.season.half_life)

    def _weight(self, start: int) -> float:
        return self.state.decay(self.season.half_life).weight(start)

    def look(self, profile: Profile, age: int) -> Look:
        """Look at the open window at an age; states change where the evidence suffices.

        Only the counts of buckets up to `age` matter. Raises ValueError while no window is open.
        """
        state = self.state
        if state.open is None:
            raise ValueError("no window is open: open a window before a look or a close")
        calm = self._calm(profile, age)
        if calm is not None:
            return calm
        log_e, recovery = self._evidence(profile, age)
        evidence = log_evidence(state.log_s, log_e)
        silent = ~state.firing & ~state.rested
        fired = silent & self.under.learned & (evidence >= self.log_threshold)
        resolved = state.firing & (state.log_r + recovery >= _LOG_RECOVERED)
        state.firing = (state.firing | fired) & ~resolved
        state.rested |= resolved
        state.log_r[fired] = 0.0
        self._stirred |= bool(fired.any() or resolved.any())
        return Look(fired, resolved, np.zeros_like(fired), log_e, recovery, evidence)

    def foresee(self, profile: Profile) -> None:
        """Compute at once what the looks at a window that has ended will need; the looks find the same as without."""
        if self.state.pairs > _FORESEEN:
            return
        most, least = self.under.bounds(profile, slice(0, BUCKETS))
        log_e = np.full((2, *most.shape), np.nan)
        needed = self._needed(most, least, np.arange(BUCKETS))
        ages, pairs = np.nonzero(needed)
        log_e[:, ages, pairs] = self.under.log_e(profile, ages, pairs)
        self._foreseen = Foreseen(profile, most, least, log_e, self._calm_looks(needed, least, log_e))
        self._stirred = False

    def _calm_looks(self, needed: Flags, least: Reals, log_e: Reals) -> dict[int, Look]:
        """Return the looks at the ages at which no alert fires or resolves; the arguments are by age."""
        state, nothing = self.state, np.zeros(self.state.pairs, bool)
        log_e = np.where(needed, log_e, -np.inf)
        recovery = np.where(needed & np.isfinite(least), -log_e[0], -np.inf)
        evidence = log_evidence(state.log_s[:, None], log_e)
        fired = ~state.firing & ~state.rested & self.under.learned & (evidence >= self.log_threshold)
        resolved = state.firing & (state.log_r + recovery >= _LOG_RECOVERED)
        return {
            age: Look(nothing, nothing, nothing, log_e[:, age], recovery[age], evidence[age])
            for age in np.flatnonzero(~(fired | resolved).any(1)).tolist()
        }

    def _calm(self, profile: Profile, age: int) -> Look | None:
        """Return a foreseen look at which nothing happens, since no pair's state has changed in the window so far."""
        seen = self._foreseen
        return None if seen is None or seen.profile is not profile or self._stirred else seen.calm.get(age)

    def _evidence(self, profile: Profile, age: int) -> tuple[Reals, Reals]:
        """Return the logarithms of the E-values (2, n), and of the evidence for a recovery (n,), where needed."""
        if self._foreseen is not None and self._foreseen.profile is profile:
            seen = self._foreseen
            most, least, known = seen.most[age], seen.least[age], seen.log_e[:, age]
        else:
            (most,), (least,) = self.under.bounds(profile, slice(age, age + 1))
            known = np.full((2, len(most)), np.nan)
        needed = self._needed(most[None], least[None], np.array([age]))[0]
        rows = np.flatnonzero(needed & np.isnan(known[0]))
        log_e = np.where(needed, known, -np.inf)
        if len(rows):
            log_e[:, rows] = self.under.log_e(profile, np.full(len(rows), age), rows)
        return log_e, np.where(needed & np.isfinite(least), -log_e[0], -np.inf)

    def _needed(self, most: Reals, least: Reals, ages: Rows) -> Flags:
        """Return by age for which pairs the E-values can matter (ages, n)."""
        state, standing = self.state, self.state.log_s.max(0)
        resolving = state.firing & (state.log_r - least >= _LOG_RECOVERED)
        needed = resolving | (~state.firing & ~state.rested & (standing + most >= self.log_threshold))
        at_close = state.firing | (standing > 0) | (most > 0)
        matter: Flags = np.where((ages == BUCKETS - 1)[:, None], at_close, needed)
        return matter

    def close(self, profile: Profile) -> Look:
        """Look at the whole window, and keep the window in the baseline or outside."""
        state, look = self.state, self.look(profile, BUCKETS - 1)
        start = state.closing()
        slot, weight = self.season.slot_of(start), self._weight(start)
        state.log_s = np.where(state.rested, 0.0, np.maximum(state.log_s + look.log_e, 0.0))
        state.log_r = np.where(state.firing, np.maximum(state.log_r + look.log_recovery, 0.0), 0.0)
        suspected = state.firing | (state.log_s > 0).any(0)
        innocent = ~suspected & ~state.rested
        waited = state.windows > 0
        state.since = np.where(waited, state.since, start)
        state.leave_out(np.flatnonzero(state.rested), start)
        state.forget(start - _REMEMBERED * self.season.half_life)
        state.windows = np.where(suspected, state.windows + 1, 0)
        state.baseline.add_where(innocent, slot, profile, weight)
        waiting = np.flatnonzero(suspected)
        state.waiting.add(waiting, slot, profile[waiting], weight)
        status = np.where(suspected, WAITING, np.where(innocent, COUNTED, OUT)).astype(np.int8)
        state.recent.put(start, slot, profile, status)
        state.join(np.flatnonzero(innocent & waited))
        adopted = state.firing & (state.windows >= max(LEARNING, self.season.cycle, self.season.a_day))
        state.adopt(np.flatnonzero(adopted))
        return replace(look, adopted=adopted)

    def revise(self, start: int, rows: Rows, before: Profile, after: Profile) -> Flags:
        """Replace the profiles of some pairs in a closed window; `before` and `after` have a row for each of `rows`.

        Return the pairs of which the evidence changes (n,): see `rescore`. Raises ValueError for a window that is not
        closed.
        """
        state = self.state
        status = state.status_of(start)[rows]
        slot, weight = self.season.slot_of(start), self._weight(start)
        changed = (before.entered != after.entered).any(1) | (before.converted != after.converted).any((1, 2))
        for sums, kept in ((state.baseline, COUNTED), (state.waiting, WAITING)):
            some = np.flatnonzero(changed & (status == kept))
            sums.remove(rows[some], slot, before[some], weight)
            sums.add(rows[some], slot, after[some], weight)
        state.recent.replace(start, rows, after)
        self._renew()
        affected = np.zeros(state.pairs, bool)
        affected[rows[changed & (status == WAITING)]] = True
        return affected

    def rescore(self, rows: Rows, windows: Iterable[tuple[int, int, Profile]]) -> Reals:
        """Compute the evidence of some pairs anew, and return the greatest logarithm that it reached (rows,).

        `windows` are all windows since the earliest of the pairs' excursions (`state.since`), the first window first:
        the start, the buckets that have ended (12, except in the open window), and the present profiles with a row for
        each of `rows`. Where the result is below the threshold, an alert would not have fired: `retract` takes the
        alert back. The suspicion of a pair whose alert does not fire ends if the evidence has gone.
        """
        state, every = self.state, np.arange(len(rows))
        log_s, log_r, greatest = np.zeros((2, len(rows))), np.zeros(len(rows)), np.full(len(rows), -np.inf)
        baseline, recent, known = state.baseline[rows], state.recent[rows], state.measured[:, rows]
        threshold = np.broadcast_to(self.log_threshold, state.pairs)[rows]
        for start, ended, profile in windows:
            under = self.test.hypotheses(baseline, recent, known, self._moment(start))
            inside = state.since[rows] <= start
            for age in range(ended):
                log_e = under.log_e(profile, np.full(len(rows), age), every)
                greatest = np.where(inside, np.maximum(greatest, log_evidence(log_s, log_e)), greatest)
            if ended == BUCKETS:
                least = under.bounds(profile, slice(BUCKETS - 1, BUCKETS))[1][0]
                recovery = np.where(np.isfinite(least), -log_e[0], -np.inf)
                fired = inside & (greatest >= threshold)
                log_r = np.where(fired, np.maximum(log_r + recovery, 0.0), log_r)
                log_s = np.where(inside, np.maximum(log_s + log_e, 0.0), 0.0)
        state.log_s[:, rows] = log_s
        state.log_r[rows] = np.where(state.firing[rows], log_r, 0.0)
        state.join(rows[~state.firing[rows] & (log_s <= 0).all(0)])
        self._renew()
        return greatest

    def retract(self, pairs: Flags) -> None:
        """Take alerts back: the excursion's windows join the baseline, and the suspicion ends."""
        state = self.state
        state.join(np.flatnonzero(pairs))
        self._renew()

    def status_of(self, start: int) -> Status:
        """Return OUT, COUNTED or WAITING for each pair (n,): where the pair keeps a closed window."""
        return self.state.status_of(start)

    def snapshot(self) -> Iterator[bytes]:
        """Yield the whole state as bytes, part by part: the state of many pairs is large."""
        return parts(self.state, self.season)

    @classmethod
    def restore(
        cls, data: BinaryIO, season: Season, test: Question, log_threshold: float | Reals
    ) -> "Detector":
        """Return the detector of a file, under a rule; raises SnapshotError for bytes that do not fit."""
        return cls(from_file(data, season), season, test, log_threshold)

    def keep(self, rows: Rows) -> None:
        """Keep some of the pairs, in the order given, and forget the others."""
        self.state.keep(rows)
        self._renew()

    def grow(self, pairs: int) -> None:
        """Add pairs that have no history, behind the others; the pairs begin with the next window that opens."""
        self.state.grow(pairs)
        self._renew()
