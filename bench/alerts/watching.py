"""The detector over generated traffic: alarms and delays."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from streams.domain.detection.calibration import SURPRISING
from streams.domain.detection.cusum import log_evidence, log_threshold
from streams.domain.detection.detector import Detector
from streams.domain.detection.evidence import DropTest
from streams.domain.detection.look import Look
from streams.domain.detection.profile import BUCKETS, Profile, Reals
from streams.domain.detection.replay import replay
from streams.domain.detection.season import season_of

HOUR = 3_600_000_000
FIRST = 4 * 24 * HOUR  # the Unix epoch was a Thursday: traffic begins on the first Monday
DROP, BUDGET, PAIRS = 0.3, 1.0, 5


@dataclass
class Watched:
    """What happened: (window, bucket, pair) of each alarm and of each end of an alarm."""

    fired: list[tuple[int, int, int]] = field(default_factory=list)
    ended: list[tuple[int, int, int]] = field(default_factory=list)
    surprising: int = 0
    windows: int = 0

    def alarms(self, since: int) -> int:
        """Return the alarms from a window on."""
        return sum(window >= since for window, _, _ in self.fired)

    def delays(self, pairs: int, at: int) -> Reals:
        """Return for each pair the windows from the beginning of window `at` to the first alarm since; or infinity."""
        delays = np.full(pairs, np.inf)
        for window, bucket, pair in self.fired:
            if window >= at:
                delays[pair] = min(delays[pair], window - at + (bucket + 1) / BUCKETS)
        return delays

    def note(self, window: int, bucket: int, look: Look) -> None:
        """Note what a look found."""
        self.fired += [(window, bucket, int(pair)) for pair in np.flatnonzero(look.fired)]
        self.ended += [(window, bucket, int(pair)) for pair in np.flatnonzero(look.resolved | look.adopted)]


def detector_of(pairs: int) -> Detector:
    """Return a detector of hours, with the budget of pipelines of five pairs."""
    return Detector.empty(pairs, season_of("hour"), DropTest(DROP), log_threshold(PAIRS, HOUR, BUDGET))


def watch(traffic: Iterable[Profile], pairs: int, measured_from: int) -> Watched:
    """Let a detector look at hourly traffic at the end of every bucket."""
    watched = Watched()
    windows = ((FIRST + number * HOUR, profile) for number, profile in enumerate(traffic))
    for start, age, look in replay(detector_of(pairs), windows):
        window = (start - FIRST) // HOUR
        watched.note(window, age, look)
        if window >= measured_from and age == BUCKETS - 1:
            alone = log_evidence(np.zeros_like(look.log_e), look.log_e)
            watched.surprising += int((alone >= np.log(SURPRISING)).sum())
            watched.windows += pairs
    return watched
