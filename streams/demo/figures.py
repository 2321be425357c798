"""What the demo shows of the facts, read from the views that everybody can read."""

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
    """One pair of stages in the open window; `as_of` is up to when it counts, by the database's clock."""

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
        """How old the counts are."""
        return self.looked_at - self.as_of if self.as_of else None


@dataclass(frozen=True)
class ClosedWindow:
    """A closed window over all pipelines; `published_after` its end in seconds, `revision` the highest one."""

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
    """One revised pair of stages; before is None where the pair is new."""

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
        """What people call the pipeline."""
        return _TITLES.get(self.pipeline_id, str(self.pipeline_id))


@dataclass(frozen=True)
class Totals:
    """What has been published: `windows_closed` counts windows in which a deal entered a stage, over all pipelines."""

    windows_closed: int = 0
    runs: int = 0
    revisions: int = 0
    estimated: int = 0
    dead_letters: int = 0


class Figures:
    """Reads them from the database of the facts."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def funnel(self, window_name: str) -> list[FunnelStep]:
        """Return the first pipeline's funnel in the latest open window of a kind; empty before there is one."""
        pipeline = PIPELINES[0]
        rows = await self._pool.fetch(sql("demo/funnel"), pipeline.tenant_id, pipeline.id, window_name)
        return [FunnelStep(**row) for row in rows]

    async def closed(self, limit: int) -> list[ClosedWindow]:
        """Return the windows closed last, newest first."""
        return [ClosedWindow(**row) for row in await self._pool.fetch(sql("demo/closed"), limit)]

    async def revisions(self, limit: int) -> list[Revision]:
        """Return the pairs revised last, newest first."""
        return [Revision(**row) for row in await self._pool.fetch(sql("demo/revisions"), limit)]

    async def totals(self) -> Totals:
        """Return how much has been published."""
        row = await self._pool.fetchrow(sql("demo/totals"))
        return Totals(**row) if row else Totals()

    async def delays(self, since: datetime) -> tuple[float | None, float | None]:
        """Return the median and longest seconds from the end of a window to its facts; None without any."""
        row = await self._pool.fetchrow(sql("demo/delays"), since)
        return (row["median"], row["slowest"]) if row else (None, None)

    async def causes(self) -> dict[str, int]:
        """Return how many revisions each cause had a part in, most first."""
        rows = await self._pool.fetch(sql("demo/causes"))
        return {row["cause"]: row["revisions"] for row in rows}

    async def now(self) -> datetime:
        """Return the database's clock."""
        now: datetime = await self._pool.fetchval("select clock_timestamp()")
        return now

    async def proven_since(self, since: datetime) -> bool:
        """Whether a worker has proven something since then."""
        return await self._pool.fetchval(sql("demo/ready"), since) is not None

    async def settled(self, until: datetime) -> bool:
        """Whether all windows that end by then are closed, and no closed window waits for a revision."""
        return bool(await self._pool.fetchval(sql("demo/settled"), until))
