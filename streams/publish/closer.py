"""The loop that proves and publishes. The proof of a tick serves every due window and every revision."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import asyncpg
import structlog

from streams.cdc.topics import Topics
from streams.completeness.barrier import Barrier
from streams.completeness.labels import LabelWatch
from streams.completeness.markers import MarkerDeniedError, MarkerMissingError
from streams.completeness.proving import ProgressMissingError, Prover, StagesUnknownError
from streams.completeness.session import proving_session
from streams.completeness.source import read_source
from streams.domain.proof import OpenTransaction, Proof
from streams.domain.windows import Window, to_microseconds
from streams.publish.closing import Closing, Published
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import Connection, Pool
from streams.store.doubts import GRANT, Doubt
from streams.store.epoch import Epoch
from streams.store.keep_trying import Trouble, keep_trying

log = structlog.get_logger(__name__)

TICK = 1.0
"""Seconds between two proofs, fewer when a window falls due earlier."""
LAG_SECONDS = 600.0
"""The most seconds in which workers fold the log up to a marker. A new proof would only need more of the log."""
ASK_AGAIN_SECONDS = 60.0
"""Seconds between a refused marker and the next attempt: each refusal is an error in the source's log."""
PRUNE_EVERY = 100
"""Markers between two prunings of old markers and proofs."""
_ALSO_PASSING = (
    asyncpg.PostgresError,  # if the source refuses, counting goes on and nothing is proven
    ProgressMissingError,
    StagesUnknownError,
)

OnPublished = Callable[[Proof, Published, float], None]
"""A callback after each publication, with the proof, the result, and the transaction's seconds."""


class Closer:
    """Runs in every worker, and works while `is_active()` is true. Two active workers do no harm.

    `proven_until` is the source's clock at the last proof. `unproven_since` (of `time.monotonic`) is the time of the
    last proof, or before the first proof the time of becoming active; None while not active. `trouble` has the reason
    of the last failure. Due windows wait for the writers in `held_by`. `labels` keeps the labels.
    """

    def __init__(
        self,
        settings: Settings,
        report: Pool,
        topics: Topics,
        closing: Closing,
        epoch: Epoch,
        is_active: Callable[[], bool],
        on_published: OnPublished = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._report = report
        self._topics = topics
        self._closing = closing
        self._partitions = epoch.partitions
        self._plan = epoch.plan
        self._is_active = is_active
        self._on_published = on_published
        self._barrier = Barrier(settings.proof_wait)
        self._denied: str | None = None
        self._denied_at = 0.0
        self.labels = LabelWatch(settings.labels_sql, report)
        self.held_by: Sequence[OpenTransaction] = ()
        self.last: Published = Published()
        self.proven_until: datetime | None = None
        self.unproven_since: float | None = None
        self.trouble = Trouble("nothing can be proven")
        self._next_due: float | None = None

    def overdue(self, now: float) -> float | None:
        """Return the seconds since the oldest open window fell due, at `now` (of `time.monotonic`); 0 if none is due.

        None before the first tick. While the source does not answer, the last answer is carried on.
        """
        return None if self._next_due is None else max(0.0, now - self._next_due)

    @property
    def doubts(self) -> list[Doubt]:
        """The doubts known to this worker alone; every other doubt is in the report database."""
        return [Doubt("privilege", self._denied, GRANT)] if self._denied else []

    async def run(self) -> None:
        """Prove and publish while the worker is active. Never returns; raises errors that do not pass."""
        await keep_trying(
            self._work,
            self.trouble,
            TICK,
            is_active=self._is_active,
            on_idle=self._rest,
            also=_ALSO_PASSING,
        )

    def _rest(self) -> None:
        self.proven_until = self.unproven_since = self._next_due = None
        self.held_by = ()

    async def _work(self) -> None:
        self.unproven_since = self.unproven_since or time.monotonic()
        settings = self._settings
        async with proving_session(
            settings, self._report, self._topics, self._partitions, "prover"
        ) as session:
            while self._is_active():
                began = asyncio.get_running_loop().time()
                try:
                    next_end = await self._tick(session.source, session.prover)
                except MarkerMissingError as error:  # Connect may be down: the next marker will do
                    self.trouble.tell(error)
                    await session.markers.require_topic()
                    next_end = TICK
                await self.labels.look(session.source, time.monotonic())
                spent = asyncio.get_running_loop().time() - began
                await asyncio.sleep(max(0.05, min(TICK, next_end) - spent))

    async def _tick(self, source: Connection, prover: Prover) -> float:
        """Prove and publish once.

        Return the seconds from the tick's start until a window falls due, or until writers are looked at again.
        """
        source_time, holders = await read_source(source)
        until = to_microseconds(source_time - self._settings.grace)
        due = await self._closing.due(until)
        self._expect(due, until)
        if self._denied is not None and time.monotonic() - self._denied_at < ASK_AGAIN_SECONDS:
            return await self._estimate(source, prover, source_time, self._denied)
        cleared, still_open = self._barrier.cleared(source_time, holders, due)
        self.held_by = self._barrier.waiting_for(holders)
        try:
            proof = await prover.prove(
                source,
                source_time,
                still_open,
                barrier_seconds=self._barrier.waited,
                progress_timeout=LAG_SECONDS,
            )
        except MarkerDeniedError as error:
            self._denied, self._denied_at = str(error), time.monotonic()
            return await self._estimate(source, prover, source_time, self._denied)
        self._denied = None
        if proof.marker.marker_id and proof.marker.marker_id % PRUNE_EVERY == 0:
            await self._report.execute(sql("queries/completeness/marker_prune"), proof.marker.marker_id)
        await self._publish(proof, cleared)
        self._expect([window for window in due if window not in cleared], until)
        if len(due) > len(cleared):
            log.info(
                "waiting for writers",
                windows=len(due) - len(cleared),
                writers=[each.description for each in self.held_by],
            )
            return 0.2
        return (self._plan.next_end(until) - until) / 1_000_000

    async def _estimate(
        self, source: Connection, prover: Prover, source_time: datetime, reason: str
    ) -> float:
        """Close windows that have been due for `estimate_wait`, as estimates: a proof needs a marker."""
        until = to_microseconds(source_time - self._settings.grace - self._settings.estimate_wait)
        due = await self._closing.due(until)
        self._expect(due, until)
        proof = await prover.estimate(source, source_time, reason, progress_timeout=LAG_SECONDS)
        await self._publish(proof, due)
        self._expect([], until)
        return (self._plan.next_end(until) - until) / 1_000_000

    async def _publish(self, proof: Proof, windows: Sequence[Window]) -> None:
        began = time.monotonic()
        self.last = await self._closing.publish(proof, windows)
        self._on_published(proof, self.last, time.monotonic() - began)
        self.proven_until = proof.source_time
        self.unproven_since = time.monotonic()
        self.trouble.end()
        if self.last != Published():
            log.info(
                "published",
                windows=self.last.windows,
                runs=self.last.closed_runs,
                revisions=self.last.revised_runs,
                doubts=list(proof.doubts),
                proof_ms=round(1000 * (proof.marker_seconds + proof.progress_seconds)),
            )

    def _expect(self, due: Sequence[Window], until: int) -> None:
        """Note when the oldest window of `due` fell due; for an empty `due`, when the next window falls due."""
        ahead = (
            (min(window.end for window in due) - until) / 1_000_000
            if due
            else (self._plan.next_end(until) - until) / 1_000_000
        )
        self._next_due = time.monotonic() + ahead
