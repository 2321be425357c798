"""The simulated CRM: carries a plan out on the CRM's tables, at the plan's pace, by the database's clock."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from streams.demo.business import PIPELINES
from streams.demo.mishaps import LENGTH
from streams.demo.plan import TICK, Plan
from streams.demo.writes import DELETES, INSERTS, Kind, Transaction, Write
from streams.domain.windows import MICROSECOND, to_microseconds
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import SOURCE_SETTING, Connection, Pool, create_pool, source_connection

_COLUMNS = ("id", "tenant_id", "deal_id", "pipeline_id", "pipeline_stage_id", "entered_at", "exited_at")
_CATCH_UP = 0.5
"""Seconds of a stall that are made up for afterwards.

The value is below the second that a plan leaves between the end of an open transaction and the deals' next moves.
"""


class _RolledBackError(Exception):
    """Ends a transaction whose plan is a rollback."""


class Crm:
    """Writes to `dyno_crm`, and counts the committed rows by kind (`writes`) and the rows `rolled_back`."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self._settings = settings
        self._plan = plan
        self.writes: Counter[Kind] = Counter()
        self.rolled_back = 0

    async def write_past(self, length: timedelta) -> tuple[datetime, int]:
        """Write what happened in some time before the begin of the present window of the first kind.

        Return the begin of the past and the number of rows. A CRM that has rows keeps its own past: 0 rows are written.
        """
        async with source_connection(self._settings) as source:
            await source.execute(sql("demo/crm_stages"), *_stages())
            now, has_past = await source.fetchrow(sql("demo/crm_past"))  # type: ignore[misc]  # one row
            until = now - timedelta(seconds=self._into_window(now))
            if has_past:
                return until - length, 0
            past = self._plan.past(length.total_seconds())
            await source.copy_records_to_table(
                "deal_pipeline_stage_state",
                schema_name="dyno_crm",
                columns=_COLUMNS,
                records=[
                    (
                        *(row.id, row.tenant_id, row.deal_id, row.pipeline_id, row.stage_id),
                        until - timedelta(seconds=each.entered_ago),
                        None if each.left_ago is None else until - timedelta(seconds=each.left_ago),
                    )
                    for each in past
                    for row in (each.row,)
                ],
            )
        return until - length, len(past)

    def _into_window(self, now: datetime) -> float:
        """Return the seconds since the begin of the present window of the first kind."""
        at = to_microseconds(now)
        return (at - self._settings.window_kinds[0].window_at(at).start) * MICROSECOND / timedelta(seconds=1)

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop` is set, and then end the open transactions.

        Raises UnreachableError if the database does not answer at the start.
        """
        pool = await create_pool(
            self._settings.source_dsn, SOURCE_SETTING, min_size=2, application_name="simulated CRM"
        )
        async with pool:
            await pool.execute(sql("demo/crm_stages"), *_stages())
            open_transactions: list[asyncio.Task[None]] = []
            try:
                await self._follow_plan(pool, stop, open_transactions)
            finally:
                await asyncio.gather(*open_transactions)

    async def _follow_plan(
        self, pool: Pool, stop: asyncio.Event, open_transactions: list[asyncio.Task[None]]
    ) -> None:
        time = asyncio.get_running_loop().time
        due = time()
        first_window = LENGTH - self._into_window(await pool.fetchval("select clock_timestamp()"))
        for transactions in self._plan.ticks(first_window):
            for transaction in transactions:
                writing = self._execute(pool, transaction, stop)
                if transaction.open_for:
                    open_transactions.append(asyncio.create_task(writing))
                else:
                    await writing
            due += TICK
            if (late := time() - _CATCH_UP - due) > 0:
                due += late
                self._plan.fall_behind(late)
            await _sleep_unless(stop, due - time())
            if stop.is_set():
                return

    async def _execute(self, pool: Pool, transaction: Transaction, stop: asyncio.Event) -> None:
        with contextlib.suppress(_RolledBackError):
            async with pool.acquire() as connection, connection.transaction():
                await _write(connection, transaction.writes)
                await _sleep_unless(stop, transaction.open_for)
                if transaction.rolls_back:
                    self.rolled_back += len(transaction.writes)
                    raise _RolledBackError
            self.writes.update(write.kind for write in transaction.writes)


async def _write(connection: Connection, writes: Sequence[Write]) -> None:
    inserts = [write for write in writes if write.kind in INSERTS]
    deletes = [write for write in writes if write.kind in DELETES]
    updates = [write for write in writes if write.kind not in INSERTS | DELETES]
    if inserts:
        await connection.execute(
            sql("demo/crm_insert"), *_columns(inserts), [write.back for write in inserts]
        )
    if updates:
        await connection.execute(
            sql("demo/crm_update"),
            *_columns(updates),
            [write.back for write in updates],
            [write.kind == "exit" for write in updates],
        )
    if deletes:
        await connection.execute(sql("demo/crm_delete"), [write.row.id for write in deletes])


def _columns(writes: Sequence[Write]) -> list[list[object]]:
    rows = [write.row for write in writes]
    return [
        [row.id for row in rows],
        [row.tenant_id for row in rows],
        [row.deal_id for row in rows],
        [row.pipeline_id for row in rows],
        [row.stage_id for row in rows],
    ]


def _stages() -> list[list[object]]:
    known = [(pipeline, stage) for pipeline in PIPELINES for stage in pipeline.stages]
    return [
        [stage.id for _, stage in known],
        [pipeline.tenant_id for pipeline, _ in known],
        [pipeline.id for pipeline, _ in known],
        [stage.name for _, stage in known],
        [stage.display_order for _, stage in known],
    ]


async def _sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))
