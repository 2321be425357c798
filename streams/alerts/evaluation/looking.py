"""The looks of a detector at one window after the other, and what is decided: live, and in simulations.

Nothing here reads a database: a `watch` gives the windows.
"""

from collections.abc import Sequence

from streams.alerts.evaluation.book import Book, Decided
from streams.alerts.evaluation.deciding import Sight, decide, ended_in, log_thresholds
from streams.alerts.evaluation.numbers import Names
from streams.alerts.evaluation.place import Place
from streams.alerts.evaluation.reading import ClosedWindow
from streams.alerts.evaluation.streams import Streams
from streams.alerts.rules import DropRule, TrafficRule
from streams.alerts.scope import Stream
from streams.domain.detection.calibration import Meter
from streams.domain.detection.detector import Detector
from streams.domain.detection.evidence import DropTest
from streams.domain.detection.profile import BUCKETS, Profile, Reals, bucket_end
from streams.domain.detection.season import Season
from streams.domain.detection.traffic import TrafficTest


class Looking:
    """A rule over one kind of window in one tiling; `meter` counts closes."""

    def __init__(
        self, rule: DropRule | TrafficRule, tiling: str, season: Season, streams: Sequence[Stream]
    ) -> None:
        self.rule = rule
        self.book = Book(rule, tiling)
        self.place = Place()
        self.season = season
        self.streams = Streams(streams)
        self.meter = Meter()
        self.detector = self._fresh()
        self._known: set[int] = set()

    def _fresh(self) -> Detector:
        test = DropTest(self.rule.drop) if isinstance(self.rule, DropRule) else TrafficTest(self.rule.drop)
        return Detector.empty(len(self.streams), self.season, test, self.log_thresholds())

    def log_thresholds(self) -> Reals:
        """Return by stream the logarithm of the evidence at which an alert fires."""
        return log_thresholds(self.rule, self.streams.streams)

    def look_at_closed(self, window: ClosedWindow, profile: Profile, names: Names) -> list[Decided]:
        """Look at the buckets of a closed window that were not looked at yet; return what was decided.

        Windows come in the order of time. An estimate is passed over.
        """
        decided: list[Decided] = []
        if window.is_estimated:
            self._pass_over(window)
        else:
            decided = self._looks(window, profile, BUCKETS - 1, names)
        self._known.add(window.start)
        self.place = Place(window.start, proof_id=self.place.proof_id)
        return decided

    def _pass_over(self, window: ClosedWindow) -> None:
        """Give up an open window that was closed as an estimate."""
        if self.detector.state.open == window.start:
            self.detector.state.open = None

    @property
    def unprepared(self) -> bool:
        """True where `prepare` has something to do: a window has begun, or windows before it were revised."""
        return self.detector.is_stale or (self.detector.state.open is None and self.place.start is not None)

    def prepare(self) -> None:
        """Make the expectations of the open window before the first look needs them."""
        if self.place.start is not None:
            self._begin(self.place.start)
            _ = self.detector.under

    def _begin(self, start: int) -> None:
        if self.detector.state.open is None:
            self.detector.open(start)
            self.detector.state.rested[ended_in(self.book, self.streams, start)] = True

    def _leave(self, start: int) -> None:
        """Forget an open window that is no window any more, for example after a change of the timezone."""
        if self.detector.state.open not in (None, start):
            self.detector.state.open = None

    def _looks(self, window: ClosedWindow, profile: Profile, last: int, names: Names) -> list[Decided]:
        """Look at the buckets after the last bucket that was looked at, up to `last`; the whole window is the close."""
        self._begin(window.start)
        decided: list[Decided] = []
        begin = self.place.age + 1 if self.place.start == window.start else 0
        if begin < last == BUCKETS - 1:
            self.detector.foresee(profile)
        for age in range(begin, last + 1):
            at = bucket_end(window.start, window.end, age)
            whole = age == BUCKETS - 1
            look = self.detector.close(profile) if whole else self.detector.look(profile, age)
            if whole:
                fell_before = self.detector.state.firing & (self.detector.state.since < window.start)
                self.meter = self.meter.with_close(look, self.detector.under.learned & ~fell_before)
            seen = Sight(window, profile, age, at, look)
            decided += decide(self.rule, self.book, self.detector, self.streams.streams, seen, names)
            decided += self.book.pass_time(at)
        if self.place.start == window.start:
            self.place.age = last
        return decided
