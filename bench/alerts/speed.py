"""How fast the detector is: a year of hours, and one look at many pipelines."""

import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter, process_time

import numpy as np

from bench.alerts.watching import FIRST, HOUR, PAIRS, detector_of
from streams.domain.detection.generated import Traffic
from streams.domain.detection.profile import BUCKETS, Profile
from streams.domain.detection.replay import replay

_DIFFERENT = 2 * 168
"""Windows that are generated; then the same windows come again, so that the detector is measured and not the
generator."""
_DAYS = 3
"""Days before the look that is measured: two windows that take turns, since the counts cost nothing."""


def year(pipelines: int, windows: int, processes: int, seed: int) -> tuple[float, float, int]:
    """Return wall and CPU seconds of a replay of `windows` hours with all looks, and the alarms."""
    shares = [pipelines // processes + (number < pipelines % processes) for number in range(processes)]
    begun = perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(_replay, shares, [windows] * processes, range(seed, seed + processes)))
    cpu, alarms = (sum(values) for values in zip(*done, strict=True))
    return perf_counter() - begun, cpu, int(alarms)


def _replay(pipelines: int, windows: int, seed: int) -> tuple[float, int]:
    pairs = pipelines * PAIRS
    detector, alarms = detector_of(pairs), 0
    generated = list(Traffic("weekly", np.resize((0.2, 0.5, 0.8), pairs), seed).windows(_DIFFERENT))
    begun = process_time()
    repeated = ((FIRST + number * HOUR, _fresh(generated[number % _DIFFERENT])) for number in range(windows))
    for _, _, look in replay(detector, repeated):
        alarms += int(look.fired.sum())
    return process_time() - begun, alarms


def _fresh(profile: Profile) -> Profile:
    """Return a profile without what was computed from the profile before."""
    return Profile(profile.entered, profile.converted)


def looks(pipelines: int, seed: int) -> tuple[float, float, float, float]:
    """Return CPU seconds of one look, of a close and of an opening of all pipelines, and the greatest memory in MB."""
    pairs = pipelines * PAIRS
    detector = detector_of(pairs)
    some = list(Traffic("weekly", np.resize((0.2, 0.5, 0.8), pairs), seed).windows(2))
    late: list[float] = []
    for number in range(_DAYS * 24):
        profile = _fresh(some[number % 2])
        begun = process_time()
        detector.open(FIRST + number * HOUR)
        opened = process_time()
        detector.look(profile, BUCKETS - 2)
        looked = process_time()
        detector.close(profile)
        late = [looked - opened, process_time() - looked, opened - begun]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return late[0], late[1], late[2], memory
