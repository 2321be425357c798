"""The figures that the demo shows, read from the database of the facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from streams.demo.business import PIPELINES
from streams.resources import sql
from streams.store.database import Pool

_TITLES = {pipeline.id: pipeline.title for pipeline in PIPELINES}


@dataclass(frozen=True)
class FunnelStep:
    """A pair of stages in the open window.

    The counts cover the changes up to `as_of`. `as_of` and `looked_at`, the time of the query, are by the
    database's clock.
    """

    window_start: datetime
    window_end: datetime
    from_stage: str
    to_stage: str
    entered_count: int
    converted_count: int
    conversion_rate: float
    as_of: datetime | None
    looked_at: datetime

    @property
    def age(self) -> timedelta | None:
        """The age of the counts; None while counts are incomplete."""
        return self.looked_at - self.as_of if self.as_of else None


@dataclass(frozen=True)
class ClosedWindow:
    """A closed window, summed over all pipelines.

    `published_after` is the time from the window's end to the closing, in seconds. `revision` is the highest
    revision of a pipeline.
    """

    window_name: str
    window_start: datetime
    window_end: datetime
    published_after: float
    pipelines: int
    entered: int
    converted: int
    completeness: str
    revision: int


@dataclass(frozen=True)
class Revision:
    """A revised pair of stages; the counts before are None for a new pair."""

    window_name: str
    window_start: datetime
    pipeline_id: UUID
    from_stage: str
    to_stage: str
    revision: int
    entered_before: int | None
    entered_after: int
    converted_before: int | None
    converted_after: int
    causes: Sequence[str]

    @property
    def pipeline(self) -> str:
        """The pipeline's name for people."""
        return _TITLES.get(self.pipeline_id, str(self.pipeline_id))


@dataclass(frozen=True)
class Verdict:
    """A transition of an alert; `expected_count` is the number of conversions that the history promised."""

    event_id: UUID
    transition: str
    decided_at: datetime
    pipeline_id: UUID
    from_stage: str
    to_stage: str
    entered_count: int | None
    converted_count: int | None
    expected_count: float | None

    @property
    def pipeline(self) -> str:
        """The pipeline's name for people."""
        return _TITLES.get(self.pipeline_id, str(self.pipeline_id))

    @property
    def numbers(self) -> str:
        """Seen and expected numbers, for example `3 of 41 converted, 28 expected`."""
        if self.transition == "retracted":
            return "a correction has changed the numbers"
        if self.expected_count is None:
            return ""
        return f"{self.converted_count} of {self.entered_count} converted, {self.expected_count:.0f} expected"


@dataclass(frozen=True)
class AlertCounts:
    """The numbers of alerts that fired, were resolved, and were retracted."""

    fired: int = 0
    resolved: int = 0
    retracted: int = 0


@dataclass(frozen=True)
class Totals:
    """Counts of the published results over all pipelines.

    `windows_closed` counts the closed windows in which a deal entered a stage.
    """

    windows_closed: int = 0
    runs: int = 0
    revisions: int = 0
    estimated: int = 0
    dead_letters: int = 0


class Figures:
    """Reads figures from the database of the facts."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def funnel(self, window_name: str) -> list[FunnelStep]:
        """Return the first pipeline's funnel in the latest open window of a kind; empty without such a window."""
        pipeline = PIPELINES[0]
        rows = await self._pool.fetch(sql("demo/funnel"), pipeline.tenant_id, pipeline.id, window_name)
        return [FunnelStep(**row) for row in rows]

    async def closed(self, limit: int) -> list[ClosedWindow]:
        """Return the last closed windows, newest first."""
        return [ClosedWindow(**row) for row in await self._pool.fetch(sql("demo/closed"), limit)]

    async def revisions(self, limit: int) -> list[Revision]:
        """Return the last revised pairs of stages, newest first."""
        return [Revision(**row) for row in await self._pool.fetch(sql("demo/revisions"), limit)]

    async def alerts(self, limit: int) -> list[Verdict]:
        """Return the last transitions of alerts, newest first."""
        return [Verdict(**row) for row in await self._pool.fetch(sql("demo/alerts"), limit)]

    async def alert_counts(self) -> AlertCounts:
        """Return the counts of the transitions of alerts."""
        row = await self._pool.fetchrow(sql("demo/alert_counts"))
        return AlertCounts(**row) if row else AlertCounts()

    async def totals(self) -> Totals:
        """Return the counts of the published results."""
        row = await self._pool.fetchrow(sql("demo/totals"))
        return Totals(**row) if row else Totals()

    async def delays(self, since: datetime) -> tuple[float | None, float | None]:
        """Return the median and the longest time from a window's end to the window's closing, in seconds.

        Windows that ended after `since` count; without a window both are None.
        """
        row = await self._pool.fetchrow(sql("demo/delays"), since)
        return (row["median"], row["slowest"]) if row else (None, None)

    async def causes(self) -> dict[str, int]:
        """Return the number of revisions for each cause, the most frequent cause first."""
        rows = await self._pool.fetch(sql("demo/causes"))
        return {row["cause"]: row["revisions"] for row in rows}

    async def now(self) -> datetime:
        """Return the time by the database's clock."""
        now: datetime = await self._pool.fetchval("select clock_timestamp()")
        return now

    async def proven_since(self, since: datetime) -> bool:
        """Return true if a worker has completed a proof since the instant."""
        return await self._pool.fetchval(sql("demo/ready"), since) is not None

    async def settled(self, until: datetime) -> bool:
        """Return true if every window that ends by `until` is closed, and no closed window waits for a revision."""
        return bool(await self._pool.fetchval(sql("demo/settled"), until))
