"""The loop that proves and publishes: one proof a tick serves every window that is due, and every revision."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from streams.cdc.topics import Topics
from streams.completeness.barrier import Barrier
from streams.completeness.markers import MarkerMissingError, Markers
from streams.completeness.proving import ProgressMissingError, Prover
from streams.domain.proof import OpenTransaction
from streams.domain.windows import Window, to_microseconds
from streams.errors import UnreachableError
from streams.facts.closing import Closing, Published
from streams.facts.database import SOURCE_SETTING, STATEMENT_SECONDS, Connection, Pool, connect
from streams.facts.epoch import Epoch
from streams.resources import sql
from streams.settings import Settings

log = structlog.get_logger(__name__)

TICK = 1.0
"""Seconds between two proofs; one starts earlier when a window falls due."""
LAG_SECONDS = 600.0
"""How long workers may take to fold what the log held at a marker; a new proof would only ask for more."""
PRUNE_EVERY = 100
"""Markers between two prunings of those that are evidence of nothing any more."""
_PASSING = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    KafkaError,
    KafkaException,
    UnreachableError,
    ProgressMissingError,
)


class Closer:
    """Runs in every worker; works in the one that `is_active`, and is safe where two do.

    `proven_until` is the source's clock at the last proof; `unproven_since` when that succeeded, or else when this
    worker became the active one (of `time.monotonic`, None: it is not); `trouble` why the last attempt failed.
    """

    def __init__(
        self,
        settings: Settings,
        report: Pool,
        topics: Topics,
        closing: Closing,
        epoch: Epoch,
        is_active: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._report = report
        self._topics = topics
        self._closing = closing
        self._partitions = epoch.partitions
        self._plan = epoch.plan
        self._is_active = is_active
        self._barrier = Barrier(settings.proof_wait)
        self.last: Published = Published()
        self.proven_until: datetime | None = None
        self.unproven_since: float | None = None
        self.trouble: str | None = None
        self._next_due: float | None = None

    def overdue(self, now: float) -> float | None:
        """Return for how many seconds the oldest open window has been due at `now` (of `time.monotonic`).

        None while this worker does not know; what it knew last goes on while the source does not answer.
        """
        return None if self._next_due is None else max(0.0, now - self._next_due)

    async def run(self) -> None:
        """Tick for as long as this worker is the active one; passing faults start again, others are raised."""
        while True:
            if self._is_active():
                self.unproven_since = self.unproven_since or time.monotonic()
                try:
                    await self._work()
                except _PASSING as error:
                    self._complain(error)
            else:
                self.proven_until = self.unproven_since = self._next_due = self.trouble = None
            await asyncio.sleep(TICK)

    def _complain(self, error: Exception) -> None:
        trouble = str(error) or repr(error)
        if trouble != self.trouble:  # once, not every second for as long as it lasts
            log.warning("nothing can be proven; trying again every second", error=trouble)
        self.trouble = trouble

    async def _work(self) -> None:
        settings = self._settings
        async with AsyncExitStack() as stack:
            source = await connect(
                settings.source_dsn,
                SOURCE_SETTING,
                application_name=f"{settings.instance} prover",
                command_timeout=STATEMENT_SECONDS,
            )
            stack.push_async_callback(source.close, timeout=5)
            markers = await stack.enter_async_context(
                Markers(self._report, settings.kafka, settings.message_topic, settings.marker_prefix)
            )
            prover = Prover(self._report, self._topics, settings.data_topic, self._partitions, markers)
            while self._is_active():
                began = asyncio.get_running_loop().time()
                try:
                    next_end = await self._tick(source, prover)
                except MarkerMissingError as error:  # Connect may be down: its next marker will do
                    self._complain(error)
                    await markers.require_topic()
                    next_end = TICK
                spent = asyncio.get_running_loop().time() - began
                await asyncio.sleep(max(0.05, min(TICK, next_end) - spent))

    async def _tick(self, source: Connection, prover: Prover) -> float:
        """Prove and publish once; return in how many seconds from the tick's start the next window falls due."""
        source_time, holders = await read_source(source)
        until = to_microseconds(source_time - self._settings.grace)
        due = await self._closing.due(until)
        self._expect(due, until)
        cleared, still_open = self._barrier.cleared(source_time, holders, due)
        proof = await prover.prove(source, source_time, still_open, progress_timeout=LAG_SECONDS)
        self.last = await self._closing.publish(proof, cleared)
        if proof.marker.marker_id % PRUNE_EVERY == 0:
            await self._report.execute(sql("queries/marker_prune"), proof.marker.marker_id)
        self.proven_until = source_time
        self.unproven_since, self.trouble = time.monotonic(), None
        self._expect([window for window in due if window not in cleared], until)
        if self.last != Published():
            log.info(
                "published",
                windows=self.last.windows,
                runs=self.last.closed_runs,
                revisions=self.last.revised_runs,
                doubts=list(proof.doubts),
                proof_ms=round(1000 * (proof.marker_seconds + proof.progress_seconds)),
            )
        if len(due) > len(cleared):
            held_by = [transaction.pid for transaction in self._barrier.waiting_for(holders)]
            log.info("waiting for writers", windows=len(due) - len(cleared), pids=held_by)
            return 0.2
        return (self._plan.next_end(until) - until) / 1_000_000

    def _expect(self, due: Sequence[Window], until: int) -> None:
        """Note when the next window is due, or the oldest of those that are due already was."""
        ahead = (
            (min(window.end for window in due) - until) / 1_000_000
            if due
            else (self._plan.next_end(until) - until) / 1_000_000
        )
        self._next_due = time.monotonic() + ahead


async def read_source(source: Connection) -> tuple[datetime, dict[str, OpenTransaction]]:
    """Return the source's clock, and by virtual transaction id who holds a writer's lock on the stage table."""
    row = await source.fetchrow(sql("queries/proof_source"))
    assert row is not None  # noqa: S101 - the statement always returns one row
    holders = json.loads(row["holders"])
    return row["source_time"], {
        virtual_id: OpenTransaction(
            virtual_id, holder["pid"], holder["since"], holder["user"], holder["application"]
        )
        for virtual_id, holder in holders.items()
    }
