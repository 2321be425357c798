"""A suspicion: the slot stands elsewhere than at the last look, and nobody read the slot at both looks.

Somebody moved the slot, or a reader came and went between the looks. The second happens after a crash of Postgres: the
connector connects, Postgres confirms what the connector has noted, and the connection ends. Connect's note tells the
two apart, because Connect notes a position before Connect confirms the position. The note proves nothing about a time
at which somebody reads the slot again: a reader may have passed over what was skipped, and noted more since.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from streams.errors import FunnelproofError

Verdict = Literal["open", "moved", "read"]


class Suspicion:
    """The slot went from `before` to `now`. `ask` returns the position that Connect has noted; None without a note."""

    def __init__(self, before: int, now: int, ask: Callable[[], Awaitable[int | None]]) -> None:
        self.before = before
        self.now = now
        self._ask = ask
        self._answer = asyncio.ensure_future(ask())

    def verdict(self, unread_at: int | None) -> Verdict:
        """Return `read` if a reader confirmed the position, `moved` if not, `open` while Connect has not answered.

        `unread_at` is the slot's position now; None if somebody reads the slot, or if the slot is gone. A slot that is
        read, or stands elsewhere, before the answer counts as moved: nothing tells any more.
        """
        if unread_at != self.now:
            return "moved"
        if not self._answer.done():
            return "open"
        if self._answer.cancelled() or isinstance(self._answer.exception(), FunnelproofError):
            self._answer = asyncio.ensure_future(self._ask())
            return "open"
        noted = self._answer.result()
        return "read" if noted is not None and noted >= self.now else "moved"

    async def end(self) -> None:
        """Stop asking."""
        self._answer.cancel()
        await asyncio.gather(self._answer, return_exceptions=True)
