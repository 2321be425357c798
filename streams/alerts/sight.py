"""The drops that a rule sees in each stream, at the traffic that was learned from the stored runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

from streams.alerts.evaluation.watch import Watch
from streams.alerts.evaluation.watches import Wanted
from streams.alerts.scope import Stream
from streams.domain.detection.expectation import LEARNING
from streams.domain.detection.profile import Reals
from streams.domain.detection.sensitivity import evidence_growth, smallest_drop, traffic_growth
from streams.domain.detection.traffic import TrafficHypotheses
from streams.domain.windows import window_kind
from streams.store.database import Connection

HORIZONS = (1, 7, 30)
"""Windows within which the smallest drop is told."""


@dataclass(frozen=True)
class Sight:
    """The knowledge about a stream, and the smallest relative falls that an alert finds on average.

    `windows` are the windows of the baseline, `entered` the entries of a mean window, `rate` the conversion rate (None
    for entries into a stage), `variation` the standard deviation between windows relative to the mean. `smallest` has
    the fall for each number of HORIZONS; None: not even a fall by 99 % is seen in time. `can_fire` is False if no
    fall makes evidence, however long the fall lasts. While learning there is neither.
    """

    stream: Stream
    windows: int
    entered: float
    rate: float | None
    variation: float
    smallest: Mapping[int, float | None] | None = None
    can_fire: bool | None = None

    @property
    def is_learned(self) -> bool:
        """True if the baseline is large enough."""
        return self.can_fire is not None


async def sights_of(connection: Connection, want: Wanted) -> Sequence[Sight]:
    """Learn from the stored runs like a live watch, and return what the watch sees; nothing for a fixed rate."""
    watch = want.make()
    if not isinstance(watch, Watch):
        return []
    await watch.learn(connection, None)
    if watch.place.closed is not None:
        kind = window_kind(want.rule.window, want.timezone)
        watch.detector.open(kind.window_at(watch.place.closed).end)
    thresholds = watch.log_thresholds()
    return [_sight(watch, row, float(thresholds[row])) for row in range(len(watch.streams))]


def _sight(watch: Watch, row: int, log_threshold: float) -> Sight:
    state, stream = watch.detector.state, watch.streams.streams[row]
    baseline = state.baseline
    between, _, doubt = (float(value) for value in state.measured[:, row])
    entries = max(float(baseline.slot_entered[row].sum()), 0.0)
    weight = max(float(baseline.weight[row].sum()), 1e-9)
    entered = entries / weight
    rate = None
    if stream.to_stage is not None:
        rate = max(float(baseline.slot_converted[row].sum()), 0.0) / max(entries, 1e-9)
    windows = round(float(baseline.windows[row]))
    seen = Sight(stream, windows, entered, rate, sqrt(between))
    if windows < LEARNING:
        return seen
    growth = _growth(watch, row, entered, rate, between + doubt)
    smallest = {horizon: smallest_drop(growth, log_threshold, horizon) for horizon in HORIZONS}
    return Sight(stream, windows, entered, rate, sqrt(between), smallest, bool(growth.max() > 0))


def _growth(watch: Watch, row: int, entered: float, rate: float | None, spread: float) -> Reals:
    under = watch.detector.under
    if isinstance(under, TrafficHypotheses):
        dispersion = float(under.dispersion[row])
        return _of_traffic(_short(entered), _short(dispersion), _short(spread), watch.rule.drop)
    deals = max(1, round(_short(entered))) if entered > 0 else 0
    return _of_rate(deals, min(_short(rate or 0.0), 0.99), _short(spread), watch.rule.drop)


def _short(number: float) -> float:
    """Return a number to two digits: many streams are alike, and a growth is computed once for all of them."""
    return float(f"{number:.1e}")


_of_rate = lru_cache(100_000)(evidence_growth)
_of_traffic = lru_cache(100_000)(traffic_growth)
