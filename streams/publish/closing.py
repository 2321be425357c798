"""Publishes windows: closes them once they are proven, and revises closed ones whose counts changed.

A closed result is never edited. A close is revision 1; whatever changes later is the next revision, found by
looking at the partials themselves, since a flush cannot know whether a close commits beside it.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta

import structlog

from streams.domain.pairs import StagePairs
from streams.domain.proof import Proof
from streams.domain.windows import Window, to_microseconds
from streams.publish.candidates import Candidate, columns, first_runs, next_revisions
from streams.resources import sql
from streams.store.database import Connection, Pool
from streams.store.doubts import unresolved_doubts
from streams.store.epoch import Epoch, require_current_epoch
from streams.store.known_windows import know_windows
from streams.store.stage_pairs import require_current_pairs

log = structlog.get_logger(__name__)

WINDOWS_AT_ONCE = 100
RUNS_AT_ONCE = 20_000
"""How many windows of a kind, and first runs, one transaction publishes at most, but one window at least; after a long
pause the rest follow in the next ticks."""


@dataclass(frozen=True)
class Published:
    """What one transaction published: first runs, later runs, their pairs, and how many windows it closed.

    `completeness` is what its proof was worth; None: a later one was there already, so nothing was published.
    Of historic windows it is also known how many are `estimated`, and for which `reasons`.
    """

    windows: int = 0
    closed_runs: int = 0
    revised_runs: int = 0
    pairs: int = field(default=0, compare=False)
    completeness: str | None = field(default=None, compare=False)
    estimated: int = field(default=0, compare=False)
    reasons: tuple[str, ...] = field(default=(), compare=False)


class Closing:
    """Closes and revises one epoch's windows."""

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
            return await self._not_closed(connection, ending)

    async def publish(self, proof: Proof, windows: Sequence[Window]) -> Published:
        """Close `windows` on the strength of `proof`, oldest first, and revise what changed, in one transaction.

        However many closers race, each run exists once; a proof that is older than the last one changes nothing.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            began = time.monotonic()
            await connection.execute(sql("queries/store/closing_lock"))
            await require_current_epoch(connection, self._epoch)
            await require_current_pairs(connection, self._stage_pairs)
            await self._note_followed(connection, proof)
            doubts = await read_doubts(connection, proof)
            if not await self._record_prover(connection, proof, doubts):
                log.warning(
                    "a later proof was published already, or the source's clock went back",
                    at=proof.source_time,
                )
                return Published()
            await self._replace_stages(connection, proof)
            await connection.execute(sql("queries/publish/closing_new_epoch"), self._epoch.id)
            await connection.execute(sql("queries/publish/closing_touched"), self._epoch.id)
            closing = await self._not_closed(connection, _oldest(windows, proof))
            revisions = await next_revisions(connection, self._debounce)
            candidates = [*await first_runs(connection, self._plan, closing), *revisions]
            closed, revised, pairs = await self._publish_all(connection, proof, doubts, candidates)
            await self._mark_closed(connection, closing)
            await self._untouch(connection, revisions)
            await self._know_open_windows(connection, proof)
            await connection.execute(sql("queries/publish/closing_published"), time.monotonic() - began)
        return Published(len(closing), closed, revised, pairs, _completeness(doubts))

    async def _publish_all(
        self, connection: Connection, proof: Proof, doubts: Sequence[str], candidates: Sequence[Candidate]
    ) -> tuple[int, int, int]:
        """Publish candidates, those of equal doubts in one statement; return first runs, revisions and pairs."""
        counted = (0, 0, 0)
        for reasons, some in (await self._by_doubts(connection, doubts, candidates)).items():
            closed, revised, pairs = await self._publish(connection, proof, reasons, some)
            counted = counted[0] + closed, counted[1] + revised, counted[2] + pairs
        return counted

    async def _note_followed(self, connection: Connection, proof: Proof) -> None:
        marker = proof.marker
        if marker.marker_id is not None:
            await connection.execute(
                sql("queries/publish/closing_followed"),
                marker.system_identifier,
                marker.timeline,
                self._epoch.topic_id,
            )

    async def _by_doubts(
        self, connection: Connection, doubts: Sequence[str], candidates: Sequence[Candidate]
    ) -> dict[tuple[str, ...], list[Candidate]]:
        """Sort candidates by the doubts about them: those of the proof, and of their window what was never compared."""
        windows = list({candidate.window for candidate in candidates})
        if not windows:
            return {}
        rows = await connection.fetch(sql("queries/publish/doubts_of_windows"), *columns(windows)[:2])
        own = {(row["window_name"], to_microseconds(row["window_start"])): row["reasons"] for row in rows}
        sorted_by_doubts: dict[tuple[str, ...], list[Candidate]] = {}
        for candidate in candidates:
            reasons = (*doubts, *own.get((candidate.window.name, candidate.window.start), ()))
            sorted_by_doubts.setdefault(reasons, []).append(candidate)
        return sorted_by_doubts

    async def _record_prover(self, connection: Connection, proof: Proof, doubts: list[str]) -> bool:
        recorded = await connection.fetchval(
            sql("queries/publish/closing_prover"),
            self._worker,
            proof.source_time,
            proof.marker.source_lsn,
            _completeness(doubts),
            doubts,
            _json(proof.open_transactions),
            proof.barrier_seconds,
            proof.marker_seconds,
            proof.progress_seconds,
        )
        return bool(recorded)

    async def _replace_stages(self, connection: Connection, proof: Proof) -> None:
        stages = proof.marker.stages
        await connection.execute(
            sql("queries/publish/closing_stages"),
            [stage.stage_id for stage in stages],
            [stage.scope.tenant_id for stage in stages],
            [stage.scope.pipeline_id for stage in stages],
            [stage.name for stage in stages],
            [stage.display_order for stage in stages],
        )

    async def _not_closed(self, connection: Connection, windows: Sequence[Window]) -> list[Window]:
        if not windows:
            return []
        rows = await connection.fetch(sql("queries/publish/closing_already_closed"), *columns(windows))
        closed = {Window(row[0], to_microseconds(row[1]), to_microseconds(row[2])) for row in rows}
        return [window for window in windows if window not in closed]

    async def _publish(
        self, connection: Connection, proof: Proof, doubts: Sequence[str], candidates: Sequence[Candidate]
    ) -> tuple[int, int, int]:
        marker = proof.marker
        proof_id = await connection.fetchval(
            sql("queries/publish/closing_proof"),
            marker.marker_id,
            proof.source_time,
            marker.source_lsn,
            marker.snapshot,
            marker.system_identifier,
            marker.timeline,
            json.dumps(proof.needed),
            _completeness(doubts),
            doubts,
            _json(proof.open_transactions),
            proof.marker_seconds,
            proof.progress_seconds,
            self._epoch.id,
        )
        row = await connection.fetchrow(
            sql("queries/publish/closing_publish"),
            self._epoch.id,
            proof_id,
            [candidate.run_id for candidate in candidates],
            [candidate.tenant_id for candidate in candidates],
            [candidate.pipeline_id for candidate in candidates],
            *columns([candidate.window for candidate in candidates]),
            [candidate.revision for candidate in candidates],
            [candidate.previous_run_id for candidate in candidates],
            [self._timezone(candidate) for candidate in candidates],
            [candidate.purpose for candidate in candidates],
            self._dormant_after,
        )
        return (row["closed"], row["revised"], int(row["pairs"])) if row else (0, 0, 0)

    def _timezone(self, candidate: Candidate) -> str:
        window = candidate.window
        return self._plan.kind_of(candidate.tenant_id, window.name).timezone_at(window.start)

    async def _mark_closed(self, connection: Connection, windows: Sequence[Window]) -> None:
        if windows:
            await connection.execute(sql("queries/publish/closing_close"), *columns(windows))

    async def _untouch(self, connection: Connection, handled: Sequence[Candidate]) -> None:
        if handled:
            await connection.execute(
                sql("queries/publish/closing_untouch"),
                [candidate.tenant_id for candidate in handled],
                [candidate.pipeline_id for candidate in handled],
                *columns([candidate.window for candidate in handled])[:2],
            )

    async def _know_open_windows(self, connection: Connection, proof: Proof) -> None:
        """Make the windows that hold the source's present known, so that they are live before the first entry."""
        present = to_microseconds(proof.source_time)
        await know_windows(connection, self._plan.present(present))


def _oldest(windows: Sequence[Window], proof: Proof) -> Sequence[Window]:
    if not windows:
        return []
    pipelines = len({stage.scope for stage in proof.marker.stages})
    ordered = sorted(windows, key=lambda window: (window.end, window.name))
    return ordered[: max(1, RUNS_AT_ONCE // max(1, pipelines))]


async def read_doubts(connection: Connection, proof: Proof) -> list[str]:
    """Return why what this proof closes is an estimate; nothing: it is proven."""
    return [*proof.doubts, *(doubt.reason for doubt in await unresolved_doubts(connection))]


def _completeness(doubts: Sequence[str]) -> str:
    return "estimated" if doubts else "proven"


def _json(open_transactions: Iterable[object]) -> str:
    return json.dumps([asdict(transaction) for transaction in open_transactions])  # type: ignore[call-overload]  # dataclasses
