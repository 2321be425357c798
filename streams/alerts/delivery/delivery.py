"""The delivery of alerts: a sender a receiver, woken by Postgres when transitions are added."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from streams.alerts.delivery.alertmanager import Alertmanager
from streams.alerts.delivery.channel import Channel
from streams.alerts.delivery.outbox import WAKE_CHANNEL
from streams.alerts.delivery.repeating import Repeating
from streams.alerts.delivery.sender import Sender
from streams.alerts.delivery.webhook import PATIENCE
from streams.resources import sql
from streams.store.database import OwnConnection, Pool, close_soon, connect
from streams.store.keep_trying import Trouble, keep_trying

TIDY_EVERY = timedelta(hours=1)
"""The time between two looks for transitions of receivers that are no longer in the rule file."""
_LISTEN_SECONDS = 15.0


class Delivery:
    """Delivers transitions to receivers, each in a task of its own: one that is down does not delay another.

    `pool` needs a connection for each receiver, a second for each Alertmanager, and one more. `dsn` and `setting` lead
    to the same database.
    """

    def __init__(
        self,
        pool: Pool,
        dsn: str,
        setting: str,
        channels: Sequence[Channel],
        now: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self._dsn = dsn
        self._setting = setting
        self._channels = channels
        self._now = now
        self.senders = [Sender(pool, channel, now) for channel in channels]
        self.repeating = [
            Repeating(pool, channel, now) for channel in channels if isinstance(channel, Alertmanager)
        ]
        self.deaf = Trouble("no notice of new alerts comes from Postgres, so they are looked for")
        self.untidy = Trouble("alerts of former receivers could not be given up")

    async def run(self) -> None:
        """Deliver until cancelled. Raises errors that do not pass."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for sender in self.senders:
                    tasks.create_task(sender.run())
                for repeating in self.repeating:
                    tasks.create_task(repeating.run())
                tasks.create_task(keep_trying(self._listen, self.deaf, 1.0))
                tasks.create_task(keep_trying(self._tidy, self.untidy, TIDY_EVERY.total_seconds()))
        finally:
            for channel in self._channels:
                await channel.close()

    async def _listen(self) -> None:
        """Wake the senders at every notice, until the connection is lost."""
        connection = await connect(
            self._dsn,
            self._setting,
            application_name="funnelproof alerts",
            command_timeout=_LISTEN_SECONDS,
        )
        try:
            await connection.add_listener(WAKE_CHANNEL, lambda *_: self._wake())
            self.deaf.end()
            self._wake()  # what was added while nobody listened
            await self._stay(connection)
        finally:
            await close_soon(connection)

    async def _stay(self, connection: OwnConnection) -> None:
        while True:
            await asyncio.sleep(_LISTEN_SECONDS)
            await connection.execute("select")  # raises if the server has vanished without a word

    def _wake(self) -> None:
        for sender in self.senders:
            sender.woken.set()

    async def _tidy(self) -> None:
        """Give up what has waited for a former receiver for as long as a webhook would be tried."""
        now = self._now()
        names = [channel.name for channel in self._channels]
        await self._pool.execute(sql("queries/alerts/delivery_orphans"), names, now, now - PATIENCE)
