"""The looks at windows that have ended: history, corrections of the past, and simulations.

A detector that follows windows live makes the same looks one by one, so the transitions are the same.
"""

from collections.abc import Iterable, Iterator

from streams.domain.detection.detector import Detector
from streams.domain.detection.look import Look
from streams.domain.detection.profile import BUCKETS, Profile


def replay(detector: Detector, windows: Iterable[tuple[int, Profile]]) -> Iterator[tuple[int, int, Look]]:
    """Yield start, age and look for each look at windows of a given start, in the order of time."""
    for start, profile in windows:
        detector.open(start)
        detector.foresee(profile)
        for age in range(BUCKETS - 1):
            yield start, age, detector.look(profile, age)
        yield start, BUCKETS - 1, detector.close(profile)
