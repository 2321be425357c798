"""Deletes rows past their retention and rows that nobody needs: slowly, in small transactions.

A window past its retention is *sealed* first, in one step behind the closer's lock. A sealed window is neither written
nor revised, compared or shown, so its rows can be deleted at leisure. docs/decisions/retention.md.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog

from streams.resources import sql
from streams.store.database import Connection, Pool
from streams.store.keep_trying import Trouble, keep_trying

log = structlog.get_logger(__name__)

EVERY = 60.0
"""Seconds between two rounds."""
ROWS_AT_ONCE = 1000
WINDOWS_AT_ONCE = 5000
"""The most windows of a kind that one transaction seals."""
_SHARE = 0.2
"""The share of a round's time that Postgres is busy: after each transaction the round pauses four times as long."""
_LEAST_PAUSE = 0.02
FORMER_EPOCHS = timedelta(days=7)
"""The time for which a former epoch's counts are kept: a wrong setting can be taken back without a rebuild."""
PRUNED = ("runs", "zero_runs", "counts", "notes", "former_counts", "reconciliations", "dead_letters")

_GRANT = "grant delete on dyno_crm.report_run to the worker's role, or set no retention"


@dataclass(frozen=True)
class Retention:
    """The times for which rows are kept: by kind of window, from the window's end by the source's clock.

    `windows` is for all of a window's rows, `zeros` for runs without entries, `evidence` for reconciliations and for
    dead letters that are settled.
    """

    windows: Mapping[str, timedelta]
    zeros: Mapping[str, timedelta]
    evidence: timedelta


class Pruner:
    """Runs in every worker, works while `is_active` says so, and does no harm where two workers are active.

    `on_pruned` is told the kind of the deleted rows (of PRUNED) and their number.
    """

    def __init__(
        self,
        pool: Pool,
        retention: Retention,
        is_active: Callable[[], bool],
        on_pruned: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        self._pool = pool
        self._retention = retention
        self._is_active = is_active
        self._on_pruned = on_pruned
        self._pruned: Counter[str] = Counter()

    async def run(self) -> None:
        """Prune once a minute while this worker is the active one. Never returns."""
        await asyncio.sleep(EVERY)  # a worker that begins has more urgent work
        await keep_trying(self._round, Trouble("pruning failed"), EVERY, is_active=self._is_active)

    async def _round(self) -> None:
        try:
            pruned = await self.prune()
        except asyncpg.InsufficientPrivilegeError as error:
            log.warning("nothing more can be pruned", error=str(error), fix=_GRANT)
            return
        if pruned:
            log.info("pruned", **pruned)

    async def prune(self) -> dict[str, int]:
        """Do one round; return the numbers of deleted rows by their kind."""
        self._pruned.clear()
        await self._prune_by_itself()
        await self._seal()
        await self._prune_sealed()
        await self._prune_zeros()
        return dict(self._pruned)

    async def _prune_by_itself(self) -> None:
        await self._all("notes", "prune_notes")
        await self._once("prune_epochs", FORMER_EPOCHS, keeps_epoch=True)
        await self._all("former_counts", "prune_epoch_partials", keeps_epoch=True)
        await self._once("prune_epoch_progress", keeps_epoch=True)
        await self._all("reconciliations", "prune_reconciliations", self._retention.evidence)
        await self._all("dead_letters", "prune_dead_letters", self._retention.evidence)

    async def _seal(self) -> None:
        windows = self._retention.windows
        sealed = WINDOWS_AT_ONCE if windows else 0
        while sealed >= WINDOWS_AT_ONCE:
            began = time.monotonic()
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(sql("queries/store/closing_lock"))
                await connection.execute(
                    sql("queries/publish/seal"), list(windows), list(windows.values()), WINDOWS_AT_ONCE
                )
                sealed = await connection.fetchval(sql("queries/publish/seal_windows"))
            await _pause(began)

    async def _prune_sealed(self) -> None:
        while window := await self._pool.fetchrow(sql("queries/publish/prune_next")):
            name, start, end = window
            runs = await self._all("runs", "prune_runs", name, start, end)
            counts = await self._all("counts", "prune_partials", name, start, end)
            if not (runs and counts):
                return
            await self._once("prune_done", name, start, end)

    async def _prune_zeros(self) -> None:
        zeros = self._retention.zeros
        arguments = list(zeros), list(zeros.values())
        while zeros and (
            window := await self._pool.fetchrow(sql("queries/publish/prune_zero_window"), *arguments)
        ):
            # Behind the closer's lock: a run must not go while it is being revised.
            if not await self._all("zero_runs", "prune_zeros", *window, behind_closer=True):
                return
            await self._once("prune_zeros_done", *window)

    async def _all(
        self,
        what: str,
        query: str,
        *arguments: object,
        keeps_epoch: bool = False,
        behind_closer: bool = False,
    ) -> bool:
        """Delete batch after batch until nothing is left; return False where another pruner is at work."""
        deleted: int | None = ROWS_AT_ONCE
        while deleted == ROWS_AT_ONCE:
            deleted = await self._once(
                query, *arguments, ROWS_AT_ONCE, keeps_epoch=keeps_epoch, behind_closer=behind_closer
            )
            if deleted:
                self._pruned[what] += deleted
                self._on_pruned(what, deleted)
        return deleted is not None

    async def _once(
        self, query: str, *arguments: object, keeps_epoch: bool = False, behind_closer: bool = False
    ) -> int | None:
        """Run one statement in a transaction of its own; return its rows, None where another pruner is at work."""
        began = time.monotonic()
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(sql("queries/publish/prune_lock")):
                return None
            if keeps_epoch:
                await connection.execute(sql("queries/publish/prune_epoch_lock"))
            if behind_closer:
                await connection.execute(sql("queries/store/closing_lock"))
            rows = await _execute(connection, query, *arguments)
        await _pause(began)
        return rows


async def _execute(connection: Connection, query: str, *arguments: object) -> int:
    told = await connection.execute(sql(f"queries/publish/{query}"), *arguments)
    return int(told.rpartition(" ")[2])  # "DELETE 12"


async def _pause(began: float) -> None:
    spent = time.monotonic() - began
    await asyncio.sleep(max(_LEAST_PAUSE, spent * (1 - _SHARE) / _SHARE))
