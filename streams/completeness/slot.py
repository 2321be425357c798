"""Watches the connector's replication slot, and the connector's configuration: both can lose changes without a word.

A slot can pass over changes that nobody has read. Two looks find that. Connect notes the position of delivered changes
(`lsn_commit`), then confirms the slot up to the noted position (`confirmed_flush_lsn`). The watch reads the slot first
and the note second, so the slot is never ahead of the note, unless somebody has moved the slot. Example: the slot is
confirmed up to 0/300, and the note says 0/200. The changes from 0/200 to 0/300 are lost.

While nobody reads the slot, its position stands. The watch looks at the slot ten times a second, and asks Connect
as soon as nobody reads the slot, or the slot is gone. A position that differs between two such looks is a suspicion,
unless Connect has noted the position before: then nothing is skipped. See `streams.completeness.suspicion`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import asyncpg
import structlog

from streams.cdc.connector import Connector
from streams.completeness.suspicion import Suspicion
from streams.domain.lsn import lsn_text
from streams.errors import FunnelproofError
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import Connection, OwnConnection, Pool, connect_to_source
from streams.store.doubts import Doubt, note_configuration, note_doubt, unresolved_doubts
from streams.store.keep_trying import Trouble, keep_trying

log = structlog.get_logger(__name__)

EVERY = 5.0
"""Seconds between two questions to Connect, at least."""
MOST = 60.0
"""The most seconds between two questions."""
SHARE = 0.1
"""The share of the time in which Connect may be busy with the answers. Connect reads the topic of its offsets from the
beginning to the end for each answer, and the topic grows for days: an answer takes a tenth of a second of Connect's and
Kafka's CPU at first, and four tenths after a day with an offset each second."""
LOOK_EVERY = 0.1
"""Seconds between two looks at the slot."""
RETRY_EVERY = 2.0
"""Seconds until the watch connects to the source anew, after the source went away."""


class SlotWatch:
    """Runs in every worker, works while `is_active()` is true. `doubts` are the unresolved doubts, read last."""

    def __init__(self, settings: Settings, report: Pool, is_active: Callable[[], bool]) -> None:
        self._settings = settings
        self._report = report
        self._is_active = is_active
        self._connector = Connector(settings)
        self._trouble = Trouble("the slot cannot be looked at")
        self._unread_at: int | None = None
        self._delivered: int | None = None
        self._suspicion: Suspicion | None = None
        self.doubts: Sequence[Doubt] = ()

    async def run(self) -> None:
        """Take samples while the worker is active. Never returns; raises errors that do not pass."""
        await keep_trying(
            self._keep_sampling,
            self._trouble,
            RETRY_EVERY,
            is_active=self._is_active,
            also=(asyncpg.PostgresError,),  # if the source refuses, counting goes on without the watch
        )

    async def _keep_sampling(self) -> None:
        source = await self._connect()
        asked: asyncio.Task[float] | None = None
        asked_at, ask_at = 0.0, 0.0
        is_read, urgent = True, False
        self._unread_at = None
        try:
            while self._is_active():
                was_read = is_read
                slot = await self._look(source)
                is_read = slot is not None and slot["active"]
                # The slot may have been moved before this look, and Connect's note tells.
                urgent = urgent or (was_read and not is_read)
                now = time.monotonic()
                if asked is not None and asked.done():
                    ask_at = asked_at + min(MOST, max(EVERY, await asked / SHARE))
                    asked = None
                if asked is None and (urgent or now >= ask_at):
                    # Connect may take long to answer; the looks at the slot go on.
                    asked, asked_at, urgent = asyncio.create_task(self._compare(slot)), now, False
                await asyncio.sleep(LOOK_EVERY)
        finally:
            if asked is not None:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
            if self._suspicion is not None:  # the next look judges it by an answer of then
                await self._suspicion.end()
            await source.close(timeout=5)

    async def _connect(self) -> OwnConnection:
        """Connect to the source; while the source is away, learn what Connect has delivered so far."""
        try:
            return await connect_to_source(self._settings, "slot watch")
        except FunnelproofError:
            with suppress(FunnelproofError):
                self._delivered = await self._connector.committed_lsn()
            raise

    async def _look(self, source: Connection) -> asyncpg.Record | None:
        """Return the slot; note a doubt if somebody moved the slot while nobody read the slot."""
        name = self._settings.instance
        slot = await source.fetchrow(sql("queries/completeness/slot_sample"), name)
        before, self._unread_at = self._unread_at, None
        if slot is not None and not slot["active"]:
            self._unread_at = slot["confirmed_flush_lsn"]
        await self._judge_suspicion()
        now = self._unread_at
        if before is not None and now is not None and before != now and not self._is_delivered(now):
            self._suspicion = Suspicion(before, now, self._connector.committed_lsn)
        return slot

    def _is_delivered(self, position: int) -> bool:
        return self._delivered is not None and position <= self._delivered

    async def _judge_suspicion(self) -> None:
        if self._suspicion is None:
            return
        verdict = self._suspicion.verdict(self._unread_at)
        if verdict == "moved":
            await self._note(
                "slot",
                f"replication slot {self._settings.instance} was moved from {lsn_text(self._suspicion.before)} to "
                f"{lsn_text(self._suspicion.now)} while nobody read it: the changes in between are lost",
            )
        if verdict != "open":
            await self._suspicion.end()
            self._suspicion = None

    async def _compare(self, slot: asyncpg.Record | None) -> float:
        """Judge the slot, read before, by what was known and by what Connect says now; read the unresolved doubts.

        Return for how many seconds Connect read the note. While Connect does not answer, only the slot is judged.
        Nothing is proven meanwhile, because no marker arrives.
        """
        busy = 0.0
        name = self._settings.instance
        was_there = await self._report.fetchval(sql("queries/completeness/slot_seen"), slot is not None)
        if slot is None and was_there:
            await self._note("slot", f"replication slot {name} is gone")
        if slot is not None and slot["wal_status"] == "lost":
            await self._note("slot", f"Postgres removed WAL that replication slot {name} had not read")
        with suppress(FunnelproofError):
            status = await self._connector.status()
            began = time.monotonic()
            committed = self._delivered = await self._connector.committed_lsn()
            busy = time.monotonic() - began
            if status.failed:
                await self._note("connector", f"connector {name} failed: {status.trouble}")
            if slot is not None and committed is not None and slot["confirmed_flush_lsn"] > committed:
                await self._note(
                    "slot",
                    f"replication slot {name} is confirmed up to {lsn_text(slot['confirmed_flush_lsn'])}, but its "
                    f"connector has delivered only what was committed up to {lsn_text(committed)}: what lies between "
                    "is lost",
                )
            await note_configuration(self._report, await self._connector.configuration_faults())
        self._tell(await unresolved_doubts(self._report))
        self._trouble.end()
        return busy

    async def _note(self, kind: str, reason: str) -> None:
        await note_doubt(self._report, kind, reason)

    def _tell(self, doubts: Sequence[Doubt]) -> None:
        for doubt in doubts:
            if doubt.kind not in {known.kind for known in self.doubts}:
                log.warning("results are estimates", doubt=doubt.reason, remedy=doubt.remedy)
        self.doubts = doubts
