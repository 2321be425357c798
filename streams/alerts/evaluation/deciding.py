"""From what a detector finds to decisions about alerts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

import msgspec
import numpy as np

from streams.alerts.evaluation.book import Book, Decided, Seen
from streams.alerts.evaluation.numbers import Names, accounts, numbers, odds_of
from streams.alerts.evaluation.reading import ClosedWindow
from streams.alerts.evaluation.streams import Streams, key_of
from streams.alerts.rules import DropRule, TrafficRule
from streams.alerts.scope import Stream
from streams.alerts.threshold import threshold
from streams.alerts.transition import Evidence
from streams.domain.change import Scope
from streams.domain.detection.detector import Detector
from streams.domain.detection.lifecycle import State
from streams.domain.detection.look import Look
from streams.domain.detection.profile import BUCKETS, Profile, Reals, Rows, bucket_of

ADOPTED = "the fall has lasted so long that the level is the normal level now"


@dataclass(frozen=True)
class Sight:
    """A look: the window with the profiles, the last bucket that has ended, and the end of the bucket."""

    window: ClosedWindow
    profile: Profile
    age: int
    at: int
    look: Look


def decide(
    rule: DropRule | TrafficRule,
    book: Book,
    detector: Detector,
    streams: Sequence[Stream],
    sight: Sight,
    names: Names,
) -> Iterator[Decided]:
    """Note in the book the alerts that fire or end at a look; yield the transitions."""
    look, window = sight.look, sight.window
    ended = look.resolved | look.adopted
    rows = np.flatnonzero(look.fired | ended)
    if not len(rows):
        return
    told = accounts(detector, sight.profile, sight.age, rows)
    for place, row in enumerate(rows.tolist()):
        found = numbers(rule, detector, told, place, look, row, sight.at - window.start)
        if look.adopted[row]:
            found = msgspec.structs.replace(found, reason=ADOPTED)
        seen = Seen(sight.at, window.start, window.end, names.of(rule, streams[row], found))
        yield from book.advance(streams[row], sight.at, seen, active=not ended[row])


def align(
    book: Book,
    detector: Detector,
    streams: Sequence[Stream],
    closed: int | None,
    ending: tuple[int, Literal["resolved", "retracted"], str],
) -> Iterator[Decided]:
    """Make detector and book agree, by the book: see `watch.Watch.align`.

    `closed` is the start of the last closed window; `ending` has instant, step and reason for alerts that end.
    """
    told, firing = book.active, detector.state.firing
    for row, stream in enumerate(streams):
        if stream not in told:
            firing[row] = False
        elif not firing[row] and closed is not None and book.alerts[stream].seen.start > closed:
            firing[row] = True
        elif not firing[row]:
            at, step, reason = ending
            yield from book.end(stream, step, at, reason)


def ended_in(book: Book, streams: Streams, start: int) -> Rows:
    """Return the rows of alerts that ended in a window: the rest of the window says nothing about them."""
    places = streams.places(
        [
            key_of(stream)
            for stream, alert in book.alerts.items()
            if alert.phase.state is State.INACTIVE and alert.seen.start == start
        ]
    )
    ended: Rows = places[places >= 0]
    return ended


def corrected(
    seen: Seen, windows: Iterable[tuple[int, int, Profile]], place: int, log_evidence: float
) -> Evidence:
    """Return the numbers of an alert with the present counts of the alert's window, and the present evidence.

    `windows` are as in `Detector.rescore`, and the stream has a place in their profiles. Of the present deals as many
    conversions are expected, each deal alike.
    """
    told = msgspec.structs.replace(seen.evidence, odds=odds_of(log_evidence))
    profile = next((profile for start, _, profile in windows if start == seen.start), None)
    if profile is None:
        return told
    age = min(bucket_of(seen.start, seen.end, seen.at), BUCKETS) - 1
    cut = profile[place : place + 1].cut(age)
    entered, converted = int(cut.entered_count[0]), int(cut.converted_count[0])
    if told.expected_rate is None:  # of entries
        return msgspec.structs.replace(told, entered=entered)
    expected = round(told.expected_rate * entered, 2)
    rate = round(converted / entered, 4) if entered else None
    return msgspec.structs.replace(
        told, entered=entered, converted=converted, rate=rate, expected=expected, low=None, high=None
    )


def on_run(seen: Seen, run: tuple[UUID, int] | None) -> Seen:
    """Return what a transition rests on, with the run of the closed window and its revision."""
    if run is None:
        return seen
    return replace(seen, run_id=run[0], evidence=msgspec.structs.replace(seen.evidence, revision=run[1]))


def log_thresholds(rule: DropRule | TrafficRule, streams: Sequence[Stream]) -> Reals:
    """Return the logarithm of the evidence at which each stream fires: the budget is a pipeline's."""
    sizes: dict[Scope, int] = {}
    for stream in streams:
        sizes[stream.scope] = sizes.get(stream.scope, 0) + 1
    each = [threshold(sizes[stream.scope], rule.window, rule.false_alarms.a_month) for stream in streams]
    logarithms: Reals = np.maximum(np.log(np.array(each)), 0.0)
    return logarithms
