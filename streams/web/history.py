"""The closed windows of a pipeline with the counts of every pair, as trend, sparklines and ledger show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from streams.web.database import Reading
from streams.web.funnels import END_OF_TIME, Place, closed_windows, counts_of
from streams.web.model import Counts, Point, Window

WINDOWS = 60
"""The most windows that the page shows."""
PairKey = tuple[UUID, UUID]


@dataclass(frozen=True)
class History:
    """Closed windows, oldest first, and the counts of pairs by run."""

    windows: tuple[Window, ...]
    counts: Mapping[UUID, Mapping[PairKey, Counts]]
    first_runs: Mapping[datetime, UUID]

    def points(self, pair: PairKey) -> list[Point]:
        """Return the counts of a pair by window, oldest first."""
        return [
            Point(
                window=window,
                counts=self._counts(window.run_id, pair),
                first=self._counts(self.first_runs.get(window.start), pair),
            )
            for window in self.windows
        ]

    def rates(self, pair: PairKey) -> list[float | None]:
        """Return the rates of a pair by window, oldest first."""
        return [None if point.counts is None else point.counts.rate for point in self.points(pair)]

    def _counts(self, run_id: UUID | None, pair: PairKey) -> Counts | None:
        return None if run_id is None else self.counts.get(run_id, {}).get(pair)


async def read_history(
    read: Reading, place: Place, before: datetime = END_OF_TIME, most: int = WINDOWS
) -> History:
    """Return the newest closed windows that begin before an instant, `most` at most."""
    windows = await closed_windows(read, place, before, most)
    first = await first_runs(read, place, windows)
    wanted = [*(window.run_id for window in windows), *first.values()]
    counts: dict[UUID, dict[PairKey, Counts]] = {}
    for row in await read.rows("facts", place.tenant_id, wanted):
        pair = row["from_stage_id"], row["to_stage_id"]
        counts.setdefault(row["run_id"], {})[pair] = counts_of(row["entered"], row["converted"])
    return History(tuple(reversed(windows)), counts, first)


async def first_runs(read: Reading, place: Place, windows: Sequence[Window]) -> dict[datetime, UUID]:
    """Return the runs of revision 1 of the windows that were revised, by the window's start."""
    revised = [window.start for window in windows if (window.revision or 1) > 1]
    if not revised:
        return {}
    runs = await read.rows("revisions", place.tenant_id, place.pipeline_id, place.window, revised)
    return {run["window_start"]: run["run_id"] for run in runs if run["revision"] == 1}
