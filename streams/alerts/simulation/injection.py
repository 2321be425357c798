"""Injected drops: from an instant on, conversions of a pair are lost at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.alerts.notation import ANY, PairName
from streams.alerts.scope import Stream
from streams.domain.detection.profile import Flags, Profile, Rows


@dataclass(frozen=True)
class Injection:
    """A drop of a share, in (0, 1], in the windows that start at `since` (microseconds) or later.

    `part` is a pair, or `"*"`, or the name or id of a stage: a stage loses entries, for rules about traffic.
    """

    part: PairName | str
    share: float
    since: int

    def covers(self, stream: Stream, from_stage: str | None, to_stage: str | None) -> bool:
        """Return True if the drop is injected into a stream whose stages have these names."""
        if self.part == ANY:
            return True
        first = {stream.from_stage, from_stage}
        if isinstance(self.part, PairName):
            return self.part.from_stage in first and self.part.to_stage in {stream.to_stage, to_stage}
        return stream.to_stage is None and self.part in first


class Injector:
    """Injects drops into the windows of some streams. The same seed and windows give the same losses.

    A conversion is lost with the probability `share` of each injection that covers the stream.
    """

    def __init__(
        self, injections: Sequence[tuple[Injection, Rows]], entries: Flags, seed: Sequence[int]
    ) -> None:
        """`injections` come with the rows of their streams; `entries`: the rows that lose entries."""
        self._injections = injections
        self._entries = entries
        self._random = np.random.default_rng(seed)

    def inject(self, start: int, profile: Profile) -> Profile:
        """Return the profiles of a window with the losses."""
        kept = np.ones(len(self._entries))
        for injection, rows in self._injections:
            if start >= injection.since:
                kept[rows] *= 1 - injection.share
        if (kept == 1).all():
            return profile
        entered, converted = profile.entered.copy(), profile.converted.copy()
        for counts, rows in (
            (entered, np.flatnonzero((kept < 1) & self._entries)),
            (converted, np.flatnonzero((kept < 1) & ~self._entries)),
        ):
            chance = kept[rows].reshape(-1, *[1] * (counts.ndim - 1))
            counts[rows] = self._random.binomial(counts[rows], chance)
        return Profile(entered, converted)
