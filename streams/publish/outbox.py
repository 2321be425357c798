"""Publishes runs to Kafka after their commit, at least once and in the order of their commits.

The transaction that publishes a run also puts it into the outbox; it is taken out when Kafka has confirmed its event.
So nothing is lost wherever a worker dies in between. What Kafka got but was not taken out is sent again.
"""

import asyncio
import time
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaException

from streams.errors import FunnelproofError
from streams.publish.events import Event, EventProducer
from streams.resources import sql
from streams.store.database import PASSING_ERRORS, Pool

log = structlog.get_logger(__name__)

EVERY = 0.5
"""Seconds between two looks into the outbox."""
AT_ONCE = 1000
"""Events of one batch: what is held in memory at a time, however many wait."""
_BATCHES = 10
"""Batches between two looks at how many events wait."""


class OutboxPublisher:
    """Runs in every worker; works in the one that `is_active`, and is safe where two do.

    `published` counts events since the start. `unpublished` is how many waited when they were last counted, None where
    this worker is not the active one; `waiting_since` (of `time.monotonic`) since when some wait and none could be
    published; `trouble` why not.
    """

    def __init__(self, pool: Pool, producer: EventProducer, is_active: Callable[[], bool]) -> None:
        self._pool = pool
        self._producer = producer
        self._is_active = is_active
        self.published = 0
        self.unpublished: int | None = None
        self.waiting_since: float | None = None
        self.trouble: str | None = None

    async def run(self) -> None:
        """Publish events as they are recorded; never returns. What fails is tried again."""
        while True:
            more = False
            if self._is_active():
                try:
                    more = await self.publish_some()
                except (KafkaException, BufferError, FunnelproofError, *PASSING_ERRORS) as error:
                    self._complain(error)
            else:
                self.unpublished = self.waiting_since = self.trouble = None
            if not more:
                await asyncio.sleep(EVERY)

    async def publish_some(self) -> bool:
        """Publish some batches, at once; return whether more may wait."""
        self.unpublished = await self._pool.fetchval(sql("queries/publish/outbox_count"))
        if not self.unpublished:
            self.waiting_since = self.trouble = None
            return False
        self.waiting_since = self.waiting_since or time.monotonic()
        await self._producer.prepare()
        for _ in range(_BATCHES):
            taken = await self._publish_batch()
            if taken is None:  # another worker publishes: this one has nothing to answer for
                self.waiting_since = self.trouble = None
                return False
            self.unpublished = max(0, self.unpublished - taken)
            self.waiting_since, self.trouble = time.monotonic() if self.unpublished else None, None
            if taken < AT_ONCE:
                return False
        return True

    async def _publish_batch(self) -> int | None:
        """Publish the oldest events; return how many were taken out, None where another worker holds the lock."""
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

    def _complain(self, error: Exception) -> None:
        trouble = str(error) or repr(error)
        if trouble != self.trouble:  # once, not twice a second for as long as it lasts
            log.warning("results could not be published to Kafka; trying again", error=trouble)
        self.trouble = trouble
