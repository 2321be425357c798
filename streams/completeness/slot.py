"""Watches the connector's replication slot: a slot can pass over changes that nobody has read.

Connect notes the position of delivered changes (`lsn_commit`), then confirms the slot up to the noted position
(`confirmed_flush_lsn`). The watch reads the slot first and the note second. The slot is therefore never ahead of the
note, unless somebody has moved the slot; the changes between the two are in no topic. Example: the slot is confirmed up
to 0/300, and the note says 0/200. The changes from 0/200 to 0/300 are lost.
"""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import structlog

from streams.cdc.connector import Connector
from streams.errors import FunnelproofError
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import Connection, Pool, connect_to_source
from streams.store.doubts import Doubt, note_doubt, unresolved_doubts
from streams.store.keep_trying import Trouble, keep_trying

log = structlog.get_logger(__name__)

EVERY = 2.0
"""Seconds between two samples. A sample costs too much for every proof, since Connect reads a topic to the end. If the
slot moves over a marker between two samples, the missing marker reveals the move."""


class SlotWatch:
    """Runs in every worker, works while `is_active()` is true. `doubts` are the unresolved doubts, read last."""

    def __init__(self, settings: Settings, report: Pool, is_active: Callable[[], bool]) -> None:
        self._settings = settings
        self._report = report
        self._is_active = is_active
        self._connector = Connector(settings)
        self._trouble = Trouble("the slot cannot be looked at")
        self.doubts: Sequence[Doubt] = ()

    async def run(self) -> None:
        """Take samples while the worker is active. Never returns; raises errors that do not pass."""
        await keep_trying(
            self._keep_sampling,
            self._trouble,
            EVERY,
            is_active=self._is_active,
            also=(asyncpg.PostgresError,),  # if the source refuses, counting goes on without the watch
        )

    async def _keep_sampling(self) -> None:
        settings = self._settings
        source = await connect_to_source(settings, "slot watch")
        try:
            while self._is_active():
                for kind, reason in (await self.sample(source)).items():
                    await note_doubt(self._report, kind, reason)
                self._tell(await unresolved_doubts(self._report))
                self._trouble.end()
                await asyncio.sleep(EVERY)
        finally:
            await source.close(timeout=5)

    async def sample(self, source: Connection) -> dict[str, str]:
        """Return the reasons for doubt, by kind.

        While Connect does not answer, only the slot is judged. Nothing is proven meanwhile, because no marker arrives.
        """
        name = self._settings.instance
        slot = await source.fetchrow(sql("queries/completeness/slot_sample"), name)
        was_there = await self._report.fetchval(sql("queries/completeness/slot_seen"), slot is not None)
        if slot is None:
            found = {"slot": f"replication slot {name} is gone"} if was_there else {}
        elif slot["wal_status"] == "lost":
            found = {"slot": f"Postgres removed WAL that replication slot {name} had not read"}
        else:
            found = {}
        try:
            status = await self._connector.status()
            committed = await self._connector.committed_lsn()
        except FunnelproofError:
            return found
        if "FAILED" in (status.state, *status.tasks):
            found["connector"] = f"connector {name} failed: {status.trouble}"
        if slot is not None and committed is not None and slot["confirmed_flush_lsn"] > committed:
            found["slot"] = (
                f"replication slot {name} is confirmed up to {_lsn(slot['confirmed_flush_lsn'])}, but its connector "
                f"has delivered only what was committed up to {_lsn(committed)}: what lies between is lost"
            )
        return found

    def _tell(self, doubts: Sequence[Doubt]) -> None:
        for doubt in doubts:
            if doubt.kind not in {known.kind for known in self.doubts}:
                log.warning("results are estimates", doubt=doubt.reason, remedy=doubt.remedy)
        self.doubts = doubts


def _lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
