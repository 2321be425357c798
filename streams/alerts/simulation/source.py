"""The windows of a simulation: stored runs, or generated traffic."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol
from uuid import UUID, uuid5

import numpy as np

from streams.alerts.evaluation.reading import ClosedWindow, Reader
from streams.alerts.evaluation.streams import Streams
from streams.alerts.evaluation.watches import Wanted
from streams.alerts.scope import Funnel, Funnels
from streams.domain.change import Scope
from streams.domain.detection.generated import Traffic
from streams.domain.detection.profile import Profile
from streams.domain.windows import Window, window_kind
from streams.settings import Settings
from streams.store.database import facts_connection
from streams.store.labels import Labels

RATES = (0.2, 0.5, 0.8)
"""Base rates of generated pairs, which take turns."""
_DAY = 86_400_000_000
_WEEK = 7 * _DAY
_MONDAY = 4 * _DAY  # the Unix epoch was a Thursday
_GENERATED = UUID("5b0c2f6e-5d0a-5f1e-9c4b-2a9d7f1c6e55")


class Source(Protocol):
    """Gives windows, in the order of time, with a profile for each stream."""

    def windows(
        self, wanted: Wanted, streams: Streams, part: int
    ) -> AsyncIterator[tuple[ClosedWindow, Profile]]:
        """Yield windows. `part` numbers the parts into which a simulation is cut."""


@dataclass(frozen=True)
class StoredRuns:
    """The latest runs of windows that start in `[since, until)`; None: since and until ever (microseconds)."""

    settings: Settings
    since: int | None
    until: int | None

    async def windows(
        self, wanted: Wanted, streams: Streams, part: int
    ) -> AsyncIterator[tuple[ClosedWindow, Profile]]:
        """Yield the closed windows of the installation."""
        del part
        pipelines = sorted({UUID(stream.scope.pipeline_id) for stream in wanted.streams})
        reader = Reader(wanted.rule.window, wanted.tiling, streams, pipelines)
        async with facts_connection(self.settings) as report:
            closed = await reader.closed(report, None if self.since is None else self.since - 1)
            some = [window for window in closed if self.until is None or window.start < self.until]
            async for read in reader.history(report, some):
                for each in read:
                    yield each


@dataclass(frozen=True)
class GeneratedTraffic:
    """Traffic of one of `shapes.SHAPES`, from the Monday of `since` on."""

    shape: str
    seed: int
    since: int
    until: int

    async def windows(
        self, wanted: Wanted, streams: Streams, part: int
    ) -> AsyncIterator[tuple[ClosedWindow, Profile]]:
        """Yield generated windows; every part has separate traffic."""
        windows = self.spans(wanted)
        if not windows:
            return
        a_day = max(1, round(_DAY / (windows[-1].end - windows[-1].start)))
        traffic = Traffic(self.shape, np.resize(RATES, len(streams)), self.seed + 1000 * part, a_day)
        for window, profile in zip(windows, traffic.windows(len(windows)), strict=True):
            yield ClosedWindow(window.start, window.end, is_estimated=False), profile

    def spans(self, wanted: Wanted) -> Sequence[Window]:
        """Return the windows, in UTC."""
        monday = self.since - (self.since - _MONDAY) % _WEEK
        return list(window_kind(wanted.rule.window, "UTC").windows_ending_in(monday, self.until))


def generated_funnels(pipelines: int, pairs: int) -> Funnels:
    """Return pipelines of one tenant, each with `pairs` pairs of neighbouring stages."""
    tenant = str(uuid5(_GENERATED, "tenant"))
    labels: dict[str, str] = {}
    funnels = []
    for number in range(1, pipelines + 1):
        pipeline = str(uuid5(_GENERATED, f"pipeline {number}"))
        labels[pipeline] = f"pipeline {number}"
        stages = [str(uuid5(_GENERATED, f"{number} {stage}")) for stage in range(pairs + 1)]
        names = {stage: f"stage {place}" for place, stage in enumerate(stages, start=1)}
        funnels.append(Funnel(Scope(tenant, pipeline), names, list(pairwise(stages))))
    return Funnels(funnels, Labels({tenant: "generated"}, labels))
