"""Deletes rows past the retention and rows that nobody needs: slowly, in small transactions.

A window past the retention is first *sealed*, under the closer's lock. A sealed window is neither written nor revised
nor compared nor shown, and the window's rows can be deleted at leisure. Without the seal, a late change might revise a
window while half of the rows are deleted. See docs/decisions/retention.md.
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
"""The share of a round in which Postgres is busy: a pause is four times as long as the transaction before."""
_LEAST_PAUSE = 0.02
FORMER_EPOCHS = timedelta(days=7)
"""The time for which a former epoch's counts are kept: a return to the former settings needs no rebuild."""
PRUNED = (
    "runs",
    "zero_runs",
    "counts",
    "notes",
    "former_counts",
    "reconciliations",
    "findings",
    "dead_letters",
)

_GRANT = "grant delete on dyno_crm.report_run to the worker's role, or set no retention"


@dataclass(frozen=True)
class Retention:
    """The times for which rows are kept: by window kind, from the window's end by the source's clock.

    `windows` is for every row of a window, `zeros` for runs without entries, `evidence` for reconciliations, findings
    and resolved dead letters.
    """

    windows: Mapping[str, timedelta]
    zeros: Mapping[str, timedelta]
    evidence: timedelta


class Pruner:
    """Runs in every worker, and works while `is_active()` is true. Two active workers do no harm.

    `on_pruned` is called with the kind (of PRUNED) and the number of deleted rows.
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
        """Prune once a minute while the worker is active. Never returns; raises errors that do not pass."""
        await asyncio.sleep(EVERY)  # a starting worker has more urgent work
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
        """Do a round; return the number of deleted rows by kind."""
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
        await self._all("findings", "prune_findings", self._retention.evidence)
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
            # Under the closer's lock: a run must not be deleted while the closer revises the run.
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
        """Delete batch after batch until no row is left; return False if another pruner is at work."""
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
        """Run a statement in its own transaction; return the number of rows, None if another pruner is at work."""
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
