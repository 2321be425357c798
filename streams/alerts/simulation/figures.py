"""The figures of a simulation: alarms without an injected drop, and how soon injected drops were found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import median

from streams.alerts.rules import BelowRule, Rule
from streams.alerts.scope import Stream
from streams.alerts.simulation.playing import Played
from streams.alerts.threshold import MONTH
from streams.domain.change import Scope
from streams.domain.detection.intervals import median_interval, poisson_interval, share_interval
from streams.domain.windows import MICROSECOND


@dataclass(frozen=True)
class Found:
    """Drops that were injected into streams from one window on.

    `delays` are in windows, from the beginning of the window to the alert; infinity for a drop that was not found.
    Streams in which an alert fired already have no delay.
    """

    share: float
    since: int
    delays: Sequence[float]
    already_firing: int

    @property
    def median(self) -> float:
        """The median delay; infinity if fewer than half were found, or none was injected."""
        return median(self.delays) if self.delays else inf

    @property
    def median_interval(self) -> tuple[float, float]:
        """The interval of 95 % of the median."""
        return median_interval(self.delays)

    @property
    def count(self) -> int:
        """The drops that were found."""
        return sum(delay < inf for delay in self.delays)

    @property
    def share_found(self) -> tuple[float, float]:
        """The interval of 95 % of the share of drops that are found."""
        return share_interval(self.count, len(self.delays))


@dataclass(frozen=True)
class Figures:
    """The figures of a rule. `months` are pipeline-months (30 days) in which an alert could fire without a drop."""

    rule: Rule
    pipelines: int
    streams: int
    windows: int
    first: int | None
    last: int | None
    alarms: int
    months: float
    found: Sequence[Found]

    @property
    def a_month(self) -> tuple[float, float, float] | None:
        """Alarms a pipeline and month, and the interval of 95 %; None if no alert could fire."""
        if not self.months:
            return None
        low, high = poisson_interval(self.alarms)
        return self.alarms / self.months, low / self.months, high / self.months

    @property
    def budget(self) -> float | None:
        """The false alarms that the rule allows a pipeline and month; None for a rule without a budget."""
        return None if isinstance(self.rule, BelowRule) else self.rule.false_alarms.a_month


def figures_of(rule: Rule, parts: Sequence[Played]) -> Figures:
    """Return the figures of a rule, which was simulated in parts."""
    streams = [stream for played in parts for stream in played.part.wanted.streams]
    spans = [(played.windows[0].start, played.windows[-1].end) for played in parts if played.windows]
    return Figures(
        rule,
        len({stream.scope for stream in streams}),
        len(streams),
        max((len(played.windows) for played in parts), default=0),
        min((start for start, _ in spans), default=None),
        max((end for _, end in spans), default=None),
        sum(_alarms(played) for played in parts),
        sum(_months(played) for played in parts),
        list(_found(parts)),
    )


def fired(played: Played) -> Mapping[Stream, Sequence[tuple[int, int]]]:
    """Return the window and the instant of each time that an alert fired, by stream."""
    found: dict[Stream, list[tuple[int, int]]] = {}
    for stream, step, seen in played.decided:
        if step == "fired":
            found.setdefault(stream, []).append((seen.start, seen.at))
    return found


def _alarms(played: Played) -> int:
    by_stream, begins = fired(played), _begins(played)
    return sum(
        begins[stream] is None or start < (begins[stream] or 0)
        for stream, alarms in by_stream.items()
        for start, _ in alarms
    )


def _begins(played: Played) -> Mapping[Stream, int | None]:
    return dict(zip(played.part.wanted.streams, played.injected, strict=True))


def _months(played: Played) -> float:
    """Return pipeline-months: a stream is a part of the pipeline."""
    if not played.windows:
        return 0.0
    span = sum(window.end - window.start for window in played.windows) / len(played.windows)
    sizes: dict[Scope, int] = {}
    for stream in played.part.wanted.streams:
        sizes[stream.scope] = sizes.get(stream.scope, 0) + 1
    windows = sum(
        learned / sizes[stream.scope]
        for stream, learned in zip(played.part.wanted.streams, played.learned, strict=True)
    )
    return windows * span * MICROSECOND / MONTH


def _found(parts: Sequence[Played]) -> Iterator[Found]:
    """Yield the findings about drops with an equal share that began in a window."""
    delays: dict[tuple[int, float], list[float | None]] = {}
    for played in parts:
        by_stream = fired(played)
        number = {window.start: place for place, window in enumerate(played.windows)}
        for stream, begin in _begins(played).items():
            if begin is None:
                continue
            names = played.part.names.stages
            ends = names.get(stream.from_stage), names.get(stream.to_stage or "")
            share = max(each.share for each in played.part.injections if each.covers(stream, *ends))
            late = None if _fires_at(played, stream, begin) else inf
            for start, at in by_stream.get(stream, ()):
                if late == inf and start >= begin:
                    window = played.windows[number[start]]
                    late = number[start] - number[begin] + (at - start) / (window.end - window.start)
            delays.setdefault((begin, share), []).append(late)
    for (begin, share), late_by in sorted(delays.items()):
        counted = [late for late in late_by if late is not None]
        yield Found(share, begin, counted, len(late_by) - len(counted))


def _fires_at(played: Played, stream: Stream, begin: int) -> bool:
    """Return True if an alert of a stream fires just before a window."""
    last = None
    for other, step, seen in played.decided:
        if other == stream and seen.start < begin and step in ("fired", "resolved", "retracted"):
            last = step
    return last == "fired"
