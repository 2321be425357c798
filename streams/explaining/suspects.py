"""Suspects: deals that the source and the log seem to have otherwise, looked at until the looks are beyond doubt.

A look has four steps: read the deals from the source, prove that everything visible is in the log, follow the deals
through the log up to its end, read the deals from the source again. A deal that nobody wrote between the two reads is
the same in source and log, unless something is wrong. A suspect is judged after two such looks in a row.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from uuid import UUID

from streams.domain.plan import WindowPlan
from streams.explaining.evidence import Deal
from streams.explaining.log import Log
from streams.explaining.source_rows import NOTHING, SourceDeal, read_deals
from streams.explaining.tracing import Traces
from streams.reconciliation.reconcile import Sessions
from streams.resources import sql

PATIENCE = timedelta(seconds=20)
"""The time for which deals that are written all the time are looked at."""
_LOOKS = 2
_PAUSE = 0.5


class Suspects:
    """Looks at `deals`; `partitions` is the number of the log's partitions."""

    def __init__(
        self, sessions: Sessions, log: Log, deals: Collection[bytes], plan: WindowPlan, partitions: int
    ) -> None:
        self._sessions = sessions
        self._log = log
        self._ids = {UUID(bytes=deal_id) for deal_id in deals}
        self._traces = Traces(deals, plan)
        self._partitions = partitions
        self._read = dict.fromkeys(range(partitions), 0)

    async def judged(self, on_records: Callable[[int], None]) -> tuple[dict[UUID, Deal], set[UUID]]:
        """Return the deals by id, and the deals that were written all the time.

        `on_records` is called with numbers of read records. Raises as Sessions.prove and Log.read do.
        """
        found: dict[UUID, Deal] = {}
        quiet: Counter[UUID] = Counter()
        loop = asyncio.get_running_loop()
        left, before = set(self._ids), await self._in_source()
        give_up = None
        while left:
            await self._sessions.prove()
            await self._follow(on_records)
            if self._sessions.reader.is_replica:
                await self._sessions.prove()  # the second read must not be older than the log
            after = await self._in_source()
            for deal in sorted(left):
                quiet[deal] = quiet[deal] + 1 if before.get(deal) == after.get(deal) else 0
                if quiet[deal] >= _LOOKS:
                    found[deal] = self._deal(deal, after.get(deal, NOTHING))
            left -= found.keys()
            give_up = give_up or loop.time() + PATIENCE.total_seconds()
            if left and loop.time() > give_up:
                break
            if left:
                before = after
                await asyncio.sleep(_PAUSE)
        return found, left

    def _deal(self, deal: UUID, source: SourceDeal) -> Deal:
        return Deal(deal, source.rows, tuple(self._traces.of(deal.bytes)), self._partitions)

    async def _in_source(self) -> Mapping[UUID, SourceDeal]:
        async with self._sessions.reader.snapshot() as (source, _):
            return await read_deals(source, self._ids)

    async def _follow(self, on_records: Callable[[int], None]) -> None:
        rows = await self._sessions.report.fetch(sql("queries/completeness/progress"))
        until = {row["partition"]: row["source_offset"] for row in rows}
        async for partition, records in self._log.read(self._read, until):
            self._traces.apply(partition, records)
            on_records(len(records))
        self._read |= until
