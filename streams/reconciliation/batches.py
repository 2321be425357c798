"""Batches: closed windows of a kind that are compared together."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Self

RUNS_AT_ONCE = 20_000
"""The most runs of a batch, for bounded memory and short snapshots.

A single start of windows with more runs is not divided.
"""


@dataclass(frozen=True)
class Batch:
    """Closed windows of a kind, by their starts in order. `runs` is the expected number of runs."""

    kind: str
    starts: tuple[datetime, ...]
    runs: int

    def halves(self) -> tuple[Self, Self]:
        """Return the two halves of a batch with several starts."""
        middle = len(self.starts) // 2
        runs = self.runs * middle // len(self.starts)
        return (
            type(self)(self.kind, self.starts[:middle], runs),
            type(self)(self.kind, self.starts[middle:], self.runs - runs),
        )


def in_batches(windows: Iterable[tuple[str, datetime, int]]) -> list[Batch]:
    """Return batches of windows, each given as kind, start and expected number of runs, sorted by kind and start."""
    batches: list[Batch] = []
    for kind, some in groupby(windows, lambda each: each[0]):
        starts: list[datetime] = []
        together = 0
        for _, start, runs in some:
            if starts and together + runs > RUNS_AT_ONCE:
                batches.append(Batch(kind, tuple(starts), together))
                starts, together = [], 0
            starts.append(start)
            together += runs
        batches.append(Batch(kind, tuple(starts), together))
    return batches
