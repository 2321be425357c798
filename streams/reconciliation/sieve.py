"""The sieve: a pass over a batch of closed windows that lets equal runs through, and holds back the others.

The canonical counts go from the source straight into tables of a session in the report database, and are compared
there: this process holds no count. A run that is held back need not be wrong, since writes go on during the pass.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from streams.reconciliation.batches import Batch
from streams.reconciliation.canonical import PipelinePair, TenantWindow, copy_counts, layers
from streams.reconciliation.reader import Reader, milliseconds
from streams.reconciliation.result import Key
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection, Pool

_CHUNKS_AT_ONCE = 4


@dataclass(frozen=True)
class Sifted:
    """The numbers of runs and pairs of a batch, and the windows held back, with their ends."""

    runs: int
    pairs: int
    held: dict[Key, datetime]


class Sieve:
    """Sifts the batches of a scope, with tables of the session `report`."""

    def __init__(self, report: Connection, reader: Reader, scope: ClosedScope) -> None:
        self._report = report
        self._reader = reader
        self._scope = scope
        self.snapshot = ""

    async def sift(self, batch: Batch) -> Sifted:
        """Compare the batch; raises asyncpg.QueryCanceledError if a statement takes too long."""
        scope, report = self._scope, self._report
        selected = scope.tenant_id, scope.pipeline_id, batch.kind, batch.starts, scope.end
        await report.execute(sql("queries/reconciliation/sift_empty"))
        await report.execute(sql("queries/reconciliation/sift_runs"), *selected)
        pairs = await report.fetch(
            sql("queries/reconciliation/sift_pairs"), scope.tenant_id, scope.pipeline_id
        )
        windows = await report.fetch(
            sql("queries/reconciliation/sift_windows"), scope.tenant_id, batch.kind, batch.starts, scope.end
        )
        unreported: Sequence[asyncpg.Record] = ()
        for number, layer in enumerate(layers(map(tuple, windows))):
            async with self._reader.snapshot() as (source, self.snapshot):
                await self._copy(source, layer, [tuple(pair) for pair in pairs])
            await report.execute(sql("queries/reconciliation/sift_analyze"))
            if number == 0:  # a window that overlaps an earlier one is not looked through
                unreported = await report.fetch(sql("queries/reconciliation/sift_unreported"), *selected)
        different = await report.fetch(sql("queries/reconciliation/sift_differences"))
        size = await report.fetchrow(sql("queries/reconciliation/sift_size"))
        assert size is not None  # noqa: S101 - an aggregate
        held = {
            (tenant, pipeline, batch.kind, start): end
            for tenant, pipeline, start, end in [*different, *unreported]
        }
        return Sifted(size["runs"], size["pairs"], held)

    async def _copy(
        self, source: Connection, layer: Sequence[TenantWindow], pairs: Sequence[PipelinePair]
    ) -> None:
        """Copy the counts from server to server, a few chunks at a time."""
        chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS_AT_ONCE)

        async def give() -> None:
            try:
                await copy_counts(source, layer, pairs, self._scope, chunks.put)
            except Exception:
                await chunks.put(None)
                raise
            await chunks.put(None)

        giving = asyncio.create_task(give())

        async def taken() -> AsyncIterator[bytes]:
            while (chunk := await chunks.get()) is not None:
                yield chunk
            await giving  # an error of the source ends the copy as an error

        try:
            await self._report.copy_to_table("sifted_count", source=taken(), format="binary")
        finally:
            giving.cancel()
            await asyncio.wait([giving])


@asynccontextmanager
async def open_sieve(report: Pool, reader: Reader, scope: ClosedScope) -> AsyncIterator[Sieve]:
    """Make a sieve, with tables in a session of `report` that are gone at the end."""
    async with report.acquire() as connection:
        await connection.execute(sql("queries/reconciliation/sift_tables"))
        await connection.execute(
            # The planner must see the starts: a generic plan would look through them for every row.
            "select set_config('statement_timeout', $1, false), "
            "set_config('plan_cache_mode', 'force_custom_plan', false)",
            milliseconds(reader.timeout),
        )
        try:
            yield Sieve(connection, reader, scope)
        finally:
            if not connection.is_closed():
                await connection.execute(sql("queries/reconciliation/sift_drop"))
