"""Real traffic: the stages of loan applications (BPI Challenge 2012, 4TU.ResearchData), by day in Amsterdam."""

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from bench.alerts.watching import DROP, Watched
from streams.domain.detection.cusum import log_threshold
from streams.domain.detection.detector import Detector
from streams.domain.detection.evidence import DropTest
from streams.domain.detection.profile import Profile, bucket_of
from streams.domain.detection.replay import replay
from streams.domain.detection.season import season_of
from streams.domain.windows import Window, to_microseconds, window_kind

TIMEZONE = "Europe/Amsterdam"
PAIRS = (
    ("A_SUBMITTED", "A_PREACCEPTED"),
    ("A_PREACCEPTED", "A_ACCEPTED"),
    ("A_ACCEPTED", "A_FINALIZED"),
    ("A_SUBMITTED", "A_DECLINED"),
)
LEARNED = 56
"""Days before alarms are counted: eight weeks."""
_DAY = 86_400_000_000


def read(path: Path) -> dict[str, list[tuple[str, int]]]:
    """Return the entries of each deal, as (stage, microseconds), from the columns deal, stage, entered_at."""
    deals: dict[str, list[tuple[str, int]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            at = to_microseconds(datetime.fromisoformat(row["entered_at"]))
            deals.setdefault(row["deal"], []).append((row["stage"], at))
    return deals


def days(deals: Mapping[str, Sequence[tuple[str, int]]]) -> tuple[list[Window], list[Profile]]:
    """Return the whole days and the profiles of PAIRS in each."""
    kind = window_kind("day", TIMEZONE)
    counted: dict[Window, Profile] = {}
    for entries in deals.values():
        first: dict[Window, dict[str, int]] = {}
        for stage, at in entries:
            of_day = first.setdefault(kind.window_at(at), {})
            of_day[stage] = min(at, of_day.get(stage, at))
        for window, stages in first.items():
            _count(counted.setdefault(window, Profile.empty(len(PAIRS))), window, stages)
    first_day, last_day = min(counted), max(counted)  # the log begins and ends within these days
    windows = list(kind.windows_ending_in(first_day.end, last_day.start))
    return windows, [counted.get(window) or Profile.empty(len(PAIRS)) for window in windows]


def _count(profile: Profile, window: Window, stages: Mapping[str, int]) -> None:
    for pair, (source, target) in enumerate(PAIRS):
        if source in stages:
            entered = bucket_of(window.start, window.end, stages[source])
            profile.entered[pair, entered] += 1
            if stages.get(target, 0) > stages[source]:
                converted = bucket_of(window.start, window.end, stages[target])
                profile.converted[pair, entered, converted] += 1


def dropped(profiles: Sequence[Profile], at: int, drop: float, seed: int) -> Iterator[Profile]:
    """Yield the profiles with each conversion from day `at` on lost with the probability `drop`."""
    random = np.random.default_rng(seed)
    for day, profile in enumerate(profiles):
        if day < at:
            yield profile
        else:
            yield Profile(profile.entered, random.binomial(profile.converted, 1 - drop))


def watch_days(windows: Sequence[Window], profiles: Iterator[Profile]) -> Watched:
    """Let a detector look at days at the end of every bucket; the budget is one false alarm a month."""
    season = season_of("day", TIMEZONE)
    detector = Detector.empty(len(PAIRS), season, DropTest(DROP), log_threshold(len(PAIRS), _DAY, 1.0))
    watched = Watched()
    days_of = {window.start: day for day, window in enumerate(windows)}
    for start, age, look in replay(detector, zip(days_of, profiles, strict=True)):
        watched.note(days_of[start], age, look)
    return watched


def is_weekend(window: Window) -> bool:
    """Return True for a Saturday or a Sunday."""
    return season_of("day", TIMEZONE).slot_of(window.start) >= 5
