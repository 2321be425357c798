"""The term of the active evaluator: one process evaluates at a time, others stand by.

The active evaluator holds a lock in a session of its own. A process that lost its session without noticing writes
nothing: each transaction first notes the look under the process's term, and a later term refuses the note.
"""

from collections.abc import Sequence
from datetime import datetime

from streams.errors import FunnelproofError
from streams.resources import sql
from streams.store.database import Connection
from streams.store.held_lock import HeldLock


class TermOverError(FunnelproofError):
    """Another evaluator has become active."""


class Term:
    """The lock of the active evaluator. `number` is None while another process is active."""

    def __init__(self, dsn: str, setting: str, name: str) -> None:
        self._name = name
        self._lock = HeldLock(dsn, setting, name, sql("queries/alerts/term_lock"))
        self.number: int | None = None

    async def hold(self) -> bool:
        """Return True if this process is the active evaluator; become active if no other process is.

        Raises as `HeldLock.hold` does; the term is then over.
        """
        try:
            if await self._lock.hold() and self.number is None and self._lock.session is not None:
                self.number = await self._lock.session.fetchval(sql("queries/alerts/term_begin"), self._name)
        except BaseException:
            await self.close()
            raise
        return self.number is not None

    async def note(
        self,
        connection: Connection,
        until: datetime | None,
        held: str | None,
        mistakes: Sequence[str],
        broken_since: datetime | None,
    ) -> None:
        """Note a look, in the transaction of the look; raises TermOverError if another process is active."""
        noted = await connection.fetchval(
            sql("queries/alerts/term_note"), self.number, until, held, list(mistakes), broken_since
        )
        if noted is None:
            await self.close()
            raise TermOverError("another evaluator of alerts has become active")

    async def close(self) -> None:
        """Let another process become active."""
        self.number = None
        await self._lock.close()
