"""Publishes runs to Kafka after the runs' commits, at least once and in the order of the commits.

The transaction that publishes a run also puts an event into the outbox. A publisher sends the oldest events, and
removes the events once Kafka has confirmed the batch; a lock lets a single publisher work at a time. Example: a worker
sends events 1 and 2, and dies before their removal. The next worker sends events 1, 2 and 3. A consumer reads 1, 2,
1, 2, 3: nothing is lost, and a consumer knows a repeated event by the event's `sequence`.
"""

import time
from collections.abc import Callable

from streams.cdc.event_producer import Event, EventProducer
from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import Pool
from streams.store.keep_trying import Trouble, keep_trying

EVERY = 0.5
"""Seconds between two looks into the outbox."""
AT_ONCE = 1000
"""The most events of a batch. Memory holds a single batch, even if many events wait."""
_BATCHES = 10
"""Batches between two counts of the waiting events."""


class OutboxPublisher:
    """Runs in every worker, and works while `is_active()` is true. Two active workers do no harm.

    `published` counts events since the start. `unpublished` is the number of waiting events by the last count, None
    while not active. `waiting_since` (of `time.monotonic`) is the time since which events wait and no event could be
    published; `trouble` has the reason.
    """

    def __init__(self, pool: Pool, producer: EventProducer, is_active: Callable[[], bool]) -> None:
        self._pool = pool
        self._producer = producer
        self._is_active = is_active
        self.published = 0
        self.unpublished: int | None = None
        self.waiting_since: float | None = None
        self.trouble = Trouble("results could not be published to Kafka")

    async def run(self) -> None:
        """Publish the events of the outbox. Never returns; raises errors that do not pass."""
        await keep_trying(
            self._publish_all,
            self.trouble,
            EVERY,
            is_active=self._is_active,
            on_idle=self._rest,
            also=(BufferError, PreconditionError),  # the topic may be mended while results wait
        )

    def _rest(self) -> None:
        self.unpublished = self.waiting_since = None

    async def _publish_all(self) -> None:
        while self._is_active() and await self.publish_some():
            pass

    async def publish_some(self) -> bool:
        """Publish some batches without a pause; return True if more events may wait."""
        self.unpublished = await self._pool.fetchval(sql("queries/publish/outbox_count"))
        if not self.unpublished:
            self.waiting_since = None
            self.trouble.end()
            return False
        self.waiting_since = self.waiting_since or time.monotonic()
        await self._producer.prepare()
        for _ in range(_BATCHES):
            taken = await self._publish_batch()
            if taken is None:  # another worker publishes, and answers for the waiting events
                self.waiting_since = None
                self.trouble.end()
                return False
            self.unpublished = max(0, self.unpublished - taken)
            self.waiting_since = time.monotonic() if self.unpublished else None
            self.trouble.end()
            if taken < AT_ONCE:
                return False
        return True

    async def _publish_batch(self) -> int | None:
        """Publish the oldest events; return the number of removed events, None if another worker holds the lock."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(sql("queries/publish/outbox_lock")):
                return None
            rows = await connection.fetch(sql("queries/publish/outbox_batch"), AT_ONCE)
            events = [Event(row["key"], row["event"]) for row in rows if row["event"] is not None]
            if events:
                await self._producer.send(events)
            if rows:
                await connection.execute(
                    sql("queries/publish/outbox_published"), [row["event_id"] for row in rows]
                )
        self.published += len(events)
        return len(rows)
