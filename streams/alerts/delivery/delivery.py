"""The delivery of alerts: a sender a receiver, woken by Postgres when transitions are added."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from streams.alerts.delivery.alertmanager import Alertmanager
from streams.alerts.delivery.channel import Channel
from streams.alerts.delivery.outbox import WAKE_CHANNEL
from streams.alerts.delivery.repeating import Repeating
from streams.alerts.delivery.sender import Sender
from streams.alerts.delivery.webhook import PATIENCE
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import (
    STATEMENT_SECONDS,
    OwnConnection,
    Pool,
    close_soon,
    connect,
    create_pool,
    facts_setting,
)
from streams.store.keep_trying import Trouble, keep_trying

TIDY_EVERY = timedelta(hours=1)
"""The time between two looks for transitions of receivers that are no longer in the rule file, and for old ones."""
KEPT = timedelta(days=400)
"""The time for which transitions and silences are kept: a year can be compared with the year before."""
_AT_ONCE = 1000
_LISTEN_SECONDS = 15.0


class Delivery:
    """Delivers transitions to receivers. Every receiver has a task: a dead receiver does not delay another receiver."""

    def __init__(
        self, settings: Settings, pool: Pool, channels: Sequence[Channel], now: Callable[[], datetime]
    ) -> None:
        """Use `pool`, which has a connection for every loop; see `open_delivery`."""
        self._settings = settings
        self._pool = pool
        self._channels = channels
        self._now = now
        self.senders = [Sender(pool, channel, now) for channel in channels]
        self.repeating = [
            Repeating(pool, channel, now) for channel in channels if isinstance(channel, Alertmanager)
        ]
        self.deaf = Trouble("no notice of new alerts comes from Postgres, so they are looked for")
        self.untidy = Trouble("old alerts, or those of former receivers, could not be put away")

    async def run(self) -> None:
        """Deliver until cancelled. Raises an ExceptionGroup of errors that do not pass."""
        async with asyncio.TaskGroup() as tasks:
            for sender in self.senders:
                tasks.create_task(sender.run())
            for repeating in self.repeating:
                tasks.create_task(repeating.run())
            tasks.create_task(keep_trying(self._listen, self.deaf, 1.0))
            tasks.create_task(keep_trying(self.tidy, self.untidy, TIDY_EVERY.total_seconds()))

    async def tidy(self) -> None:
        """Give up what has waited for a former receiver for as long as a webhook would be tried; delete what is old."""
        now = self._now()
        names = [channel.name for channel in self._channels]
        await self._pool.execute(sql("queries/alerts/delivery_orphans"), names, now, now - PATIENCE)
        while (
            await self._pool.execute(sql("queries/alerts/events_prune"), now - KEPT, _AT_ONCE) != "DELETE 0"
        ):
            await asyncio.sleep(1)  # deliveries come first
        await self._pool.execute(sql("queries/alerts/silences_prune"), now - KEPT)

    async def _listen(self) -> None:
        """Wake the senders at every notice, until the connection is lost."""
        connection = await connect(
            self._settings.facts_dsn,
            facts_setting(self._settings),
            application_name=f"{self._settings.instance} alerts listening",
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


@asynccontextmanager
async def open_delivery(
    settings: Settings, channels: Sequence[Channel], now: Callable[[], datetime]
) -> AsyncIterator[Delivery]:
    """Hold a delivery with a pool of its own, and close the channels at the end. Raises as `connect` does.

    The pool has a connection for every loop: a sender keeps its connection while a receiver lets it wait.
    """
    pool = await create_pool(
        settings.facts_dsn,
        facts_setting(settings),
        max_size=2 * len(channels) + 1,
        application_name=f"{settings.instance} alerts",
        command_timeout=STATEMENT_SECONDS,
    )
    try:
        yield Delivery(settings, pool, channels, now)
    finally:
        for channel in channels:
            await channel.close()
        await close_soon(pool)
