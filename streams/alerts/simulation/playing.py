"""A part of a simulation: a watch looks at one window after the other, as it does live."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.alerts.evaluation.book import Decided
from streams.alerts.evaluation.numbers import Names, accounts
from streams.alerts.evaluation.reading import ClosedWindow
from streams.alerts.evaluation.watch import Watch
from streams.alerts.evaluation.watches import AnyWatch, Wanted
from streams.alerts.simulation.injection import Injection, Injector
from streams.alerts.simulation.source import Source
from streams.domain.detection.profile import BUCKETS, Flags, Profile, Reals, Rows

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Part:
    """Some pipelines of a rule. Transitions of windows before `since` (microseconds) are not reported.

    `draw`: keep what a picture needs.
    """

    number: int
    wanted: Wanted
    source: Source
    injections: Sequence[Injection]
    names: Names
    seed: int
    since: int
    draw: bool


@dataclass(frozen=True)
class Lines:
    """Seen and expected values of each window of each stream (windows, streams); NaN while learning.

    Rates of conversion; numbers of entries for a rule about traffic.
    """

    seen: Reals
    low: Reals
    high: Reals


@dataclass(frozen=True)
class Played:
    """The events of the reported windows. `learned` are the windows of each stream in which an alert could fire.

    `injected` are the starts of the first window with an injected drop, by stream; None where no drop was injected.
    """

    part: Part
    windows: Sequence[ClosedWindow]
    decided: Sequence[Decided]
    learned: Sequence[int]
    injected: Sequence[int | None]
    lines: Lines | None


async def play(part: Part) -> Played:
    """Simulate a part."""
    watch = part.wanted.make()
    injections = [(each, _rows(each, watch, part.names)) for each in part.injections]
    begins = np.full(len(watch.streams), _NEVER)
    for injection, rows in injections:
        begins[rows] = np.minimum(begins[rows], injection.since)
    of_entries = np.array([stream.to_stage is None for stream in watch.streams.streams], bool)
    injector = Injector(injections, of_entries, [part.seed, part.number])
    windows: list[ClosedWindow] = []
    decided: list[Decided] = []
    lines: list[tuple[Reals, Reals, Reals]] = []
    learned = np.zeros(len(watch.streams), np.int64)
    async for window, profile in part.source.windows(part.wanted, watch.streams, part.number):
        seen = injector.inject(window.start, profile)
        found = watch.look_at_closed(window, seen, part.names)
        if window.is_estimated or window.start < part.since:
            continue
        windows.append(window)
        decided += found
        learned += _can_fire(watch, len(learned)) & (window.start < begins)
        if part.draw:
            lines.append(_line(watch, seen))
    starts = [window.start for window in windows]
    return Played(
        part,
        windows,
        decided,
        learned.tolist(),
        [next((start for start in starts if start >= begin), None) for begin in begins.tolist()],
        Lines(*(np.array(each, np.float32) for each in zip(*lines, strict=True))) if lines else None,
    )


def _rows(injection: Injection, watch: AnyWatch, names: Names) -> Rows:
    stages = names.stages
    covered = [
        injection.covers(stream, stages.get(stream.from_stage), stages.get(stream.to_stage or ""))
        for stream in watch.streams.streams
    ]
    return np.flatnonzero(covered)


def _can_fire(watch: AnyWatch, streams: int) -> Flags:
    return watch.detector.under.learned if isinstance(watch, Watch) else np.ones(streams, bool)


def _line(watch: AnyWatch, profile: Profile) -> tuple[Reals, Reals, Reals]:
    """Return what was seen, and both ends of what was expected, of a window that has just closed."""
    entered = profile.entered_count.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate: Reals = profile.converted_count / entered
        if not isinstance(watch, Watch):
            floor = np.full(len(entered), watch.rule.rate)
            return rate, floor, floor
        told = accounts(watch.detector, profile, BUCKETS - 1, slice(None))
        low, high = (np.where(watch.detector.under.learned, end, np.nan) for end in (told.low, told.high))
        if watch.rule.kind == "traffic":
            return entered, low, high
        return rate, low / entered, high / entered
