"""Closes windows on the strength of a proof, and revises closed windows whose counts have changed.

A closed result is never edited. A close is revision 1, and each later change is the next revision.

A closed window is *touched* when the window may need a revision. A flush cannot touch windows, because a flush cannot
know whether a close commits at the same time. The closer looks for partials that were flushed after the closer's last
look, and touches the partials' closed windows. Example: the closer has looked at flush 7 of a partition. Flush 8 writes
a count of a closed window. The closer's next transaction touches the window, and a revision follows after the debounce.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from streams.domain.pairs import StagePairs
from streams.domain.proof import Proof
from streams.domain.windows import Window, to_microseconds
from streams.publish.candidates import Candidate, columns, first_runs, next_revisions
from streams.publish.publication import Publication, as_json, completeness, not_closed
from streams.resources import sql
from streams.store.database import Connection, Pool
from streams.store.epoch import Epoch
from streams.store.known_windows import know_windows
from streams.store.stage_pairs import require_current_pairs

log = structlog.get_logger(__name__)

WINDOWS_AT_ONCE = 100
RUNS_AT_ONCE = 20_000
"""The most windows of a kind, and the most first runs, of a transaction; a single window may have more runs. After a
long pause the remaining windows follow in the next ticks."""


@dataclass(frozen=True)
class Published:
    """The result of a publishing transaction: closed windows, first runs, later runs, and pairs.

    `completeness` is "proven" or "estimated". None means that a later proof was published before, and the transaction
    published nothing. A backfill also tells the number of `estimated` windows, and the `reasons`.
    """

    windows: int = 0
    closed_runs: int = 0
    revised_runs: int = 0
    pairs: int = field(default=0, compare=False)
    completeness: str | None = field(default=None, compare=False)
    estimated: int = field(default=0, compare=False)
    reasons: tuple[str, ...] = field(default=(), compare=False)


class Closing:
    """Closes and revises the windows of an epoch."""

    def __init__(
        self,
        pool: Pool,
        epoch: Epoch,
        debounce: timedelta,
        worker: str,
        *,
        stage_pairs: StagePairs | None = None,
        dormant_after: timedelta = timedelta(0),
    ) -> None:
        self._pool = pool
        self._epoch = epoch
        self._plan = epoch.plan
        self._debounce = debounce
        self._worker = worker
        self._stage_pairs = stage_pairs or {}
        self._dormant_after = dormant_after or None

    async def due(self, until: int) -> list[Window]:
        """Return the windows that end by `until` (microseconds) and are not closed yet, oldest first."""
        rows = await self._pool.fetch(sql("queries/publish/closed_until"), list(self._plan.names))
        after = {row["window_name"]: to_microseconds(row["look_from"]) for row in rows}
        ending = self._plan.ending_in(after, until, WINDOWS_AT_ONCE)
        async with self._pool.acquire() as connection:
            return await not_closed(connection, ending)

    async def publish(self, proof: Proof, windows: Sequence[Window]) -> Published:
        """Close `windows`, oldest first, and revise touched windows, in a transaction on the strength of `proof`.

        The transaction holds the closer's lock: of two racing closers, the second waits, then finds the windows closed.
        Each run therefore exists once. A proof older than the last published proof publishes nothing. Example: closer A
        proves at 12:00:01 and pauses, closer B proves and publishes at 12:00:05, then A wakes up and publishes nothing.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            began = time.monotonic()
            publication = Publication(connection, self._epoch, proof, self._dormant_after)
            await publication.begin()
            await require_current_pairs(connection, self._stage_pairs)
            await self._note_followed(connection, proof)
            doubts = await publication.doubts()
            if not await self._record_prover(connection, proof, doubts):
                log.warning(
                    "a later proof was published already, or the source's clock went back",
                    at=proof.source_time,
                )
                return Published()
            await publication.replace_stages()
            await connection.execute(sql("queries/publish/closing_new_epoch"), self._epoch.id)
            await connection.execute(sql("queries/publish/closing_touched"), self._epoch.id)
            closing = await not_closed(connection, _oldest(windows, proof))
            revisions = await next_revisions(connection, self._debounce)
            counted = [each for each in revisions if self._plan.has(each.tenant_id, each.window)]
            candidates = [*await first_runs(connection, self._plan, closing), *counted]
            runs = await publication.publish(doubts, candidates)
            await publication.close(closing)
            await self._untouch(connection, revisions)
            await self._know_open_windows(connection, proof)
            await connection.execute(sql("queries/publish/closing_published"), time.monotonic() - began)
        return Published(len(closing), runs.closed, runs.revised, runs.pairs, completeness(doubts))

    async def _note_followed(self, connection: Connection, proof: Proof) -> None:
        marker = proof.marker
        if marker.marker_id is not None:
            await connection.execute(
                sql("queries/publish/closing_followed"),
                marker.system_identifier,
                marker.timeline,
                self._epoch.topic_id,
            )

    async def _record_prover(self, connection: Connection, proof: Proof, doubts: list[str]) -> bool:
        recorded = await connection.fetchval(
            sql("queries/publish/closing_prover"),
            self._worker,
            proof.source_time,
            proof.marker.source_lsn,
            completeness(doubts),
            doubts,
            as_json(proof.open_transactions),
            proof.barrier_seconds,
            proof.marker_seconds,
            proof.progress_seconds,
        )
        return bool(recorded)

    async def _untouch(self, connection: Connection, handled: Sequence[Candidate]) -> None:
        if handled:
            await connection.execute(
                sql("queries/publish/closing_untouch"),
                [candidate.tenant_id for candidate in handled],
                [candidate.pipeline_id for candidate in handled],
                *columns([candidate.window for candidate in handled])[:2],
            )

    async def _know_open_windows(self, connection: Connection, proof: Proof) -> None:
        """Register the windows around the source's present time: a window is live before the window's first entry."""
        present = to_microseconds(proof.source_time)
        await know_windows(connection, self._plan.present(present))


def _oldest(windows: Sequence[Window], proof: Proof) -> Sequence[Window]:
    if not windows:
        return []
    pipelines = len({stage.scope for stage in proof.marker.stages})
    ordered = sorted(windows, key=lambda window: (window.end, window.name))
    return ordered[: max(1, RUNS_AT_ONCE // max(1, pipelines))]
