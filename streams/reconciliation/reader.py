"""The server whose entries are counted: the source itself, or a replica of the source."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import Connection

_POLL = 0.05
_WORK_MEMORY = "32MB"


class ReplicaBehindError(Exception):
    """The replica did not replay up to a marker in time."""


def milliseconds(timeout: timedelta) -> str:
    """Return a length of time in the form of `statement_timeout`."""
    return f"{max(1, round(timeout.total_seconds() * 1000))}ms"


class Reader:
    """Reads entries in snapshots, with bounds on the server's work.

    A statement is cancelled after `timeout`. A step of the statement sorts or hashes in 32 MB of memory, times the
    server's `hash_mem_multiplier`; more goes to temporary files.

    `share` is the most of the time in which a snapshot may be held: after a snapshot, the next waits. A snapshot keeps
    one process of the server busy at most, so the share is the most of a core, too. A whole share (1.0) lets the
    server use several processes. `seconds` is the time in which snapshots were held.
    """

    def __init__(
        self,
        connection: Connection,
        timeout: timedelta,
        *,
        is_replica: bool = False,
        share: float = 1.0,
    ) -> None:
        self._connection = connection
        self.is_replica = is_replica
        self.timeout = timeout
        self._share = share
        self._rest_until = 0.0
        self.seconds = 0.0
        self._settings = {
            "statement_timeout": milliseconds(timeout),
            "work_mem": _WORK_MEMORY,
            "plan_cache_mode": "force_custom_plan",
            # The planner cannot estimate the joins of windows and pairs. Nested loops could compare all rows with all
            # rows, and sorts spill where hashes do not.
            "enable_nestloop": "off",
            "enable_mergejoin": "off",
            "enable_sort": "off",
        } | ({} if share >= 1 else {"max_parallel_workers_per_gather": "0"})

    async def reaches(self, lsn: int, system_identifier: str | None, patience: float) -> None:
        """Wait until everything up to `lsn` of the source can be read.

        Raises ReplicaBehindError after `patience` seconds, PreconditionError if the server is no replica of the source.
        """
        if not self.is_replica:
            return
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            row = await self._connection.fetchrow(sql("queries/reconciliation/replica_position"), lsn)
            assert row is not None  # noqa: S101 - the statement always returns one row
            if not row["is_replica"] or system_identifier not in {None, row["system_identifier"]}:
                raise PreconditionError(
                    "the server of FUNNELPROOF_REPLICA_DSN is no streaming replica of the server of "
                    "FUNNELPROOF_SOURCE_DSN: correct or unset the setting"
                )
            if row["has_replayed"]:
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise ReplicaBehindError(
                    f"the replica of FUNNELPROOF_REPLICA_DSN has not replayed the last marker after {patience:.0f} s"
                )
            await asyncio.sleep(_POLL)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[tuple[Connection, str]]:
        """Hold a transaction with a single snapshot, and give the snapshot's name, too."""
        await asyncio.sleep(self._rest_until - time.monotonic())
        began = time.monotonic()
        try:
            async with self._connection.transaction(isolation="repeatable_read", readonly=True):
                for name, value in self._settings.items():
                    await self._connection.execute("select set_config($1, $2, true)", name, value)
                name = await self._connection.fetchval("select pg_current_snapshot()::text")
                yield self._connection, name
        finally:
            held = time.monotonic() - began
            self.seconds += held
            self._rest_until = time.monotonic() + held * (1 / self._share - 1)
