"""Repeats to Alertmanager every alert that is on, as Postgres has it: a restart of either side forgets nothing."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from streams.alerts.delivery.alertmanager import REPEAT_END_FOR, REPEAT_EVERY, Alertmanager
from streams.alerts.delivery.backlog import Backlog
from streams.alerts.delivery.channel import ReceiverError
from streams.alerts.delivery.outbox import transition_of
from streams.resources import sql
from streams.store.database import Pool
from streams.store.keep_trying import Trouble, try_until_done

AGAIN = timedelta(seconds=5)
"""The time between two attempts, and the time until a sender that serves the receiver is done."""


class Repeating:
    """Sends the alerts of one Alertmanager again; `repeated` has their number at the last repetition.

    A repetition and a sender never speak at the same time: "is on" could otherwise arrive behind "is resolved".
    """

    def __init__(
        self,
        pool: Pool,
        channel: Alertmanager,
        now: Callable[[], datetime],
        every: timedelta = REPEAT_EVERY,
    ) -> None:
        self._pool = pool
        self._channel = channel
        self._now = now
        self._every = every
        self.repeated: int | None = None
        self.trouble = Trouble(f"alerts that are on could not be repeated to the receiver {channel.name}")

    async def run(self) -> None:
        """Repeat, at once and then at even times. Never returns; raises errors that do not pass."""
        while True:
            done = await try_until_done(self.repeat, self.trouble, AGAIN.total_seconds())
            await asyncio.sleep((self._every if done else min(AGAIN, self._every)).total_seconds())

    async def repeat(self) -> bool:
        """Repeat once; return False if a sender serves the receiver now, or the receiver takes nothing."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await Backlog(self._channel).lock(connection):
                return False
            now = self._now()
            rows = await connection.fetch(
                sql("queries/alerts/standing"), self._channel.name, now - REPEAT_END_FOR
            )
            standing = [transition_of(row) for row in rows]
            most = self._channel.at_once
            try:
                for first in range(0, len(standing), most):
                    await self._channel.post(standing[first : first + most], now)
            except ReceiverError as error:
                self.trouble.tell(error)
                return False
        self.repeated = len(standing)
        return True
