"""Publication of recorded dead letters to Kafka, at least once, for readers outside funnelproof."""

import asyncio
import base64
import json
from collections.abc import Collection, Sequence

import asyncpg
from aiokafka import AIOKafkaProducer

from streams.brokers import Brokers
from streams.resources import sql
from streams.store.database import Pool
from streams.store.keep_trying import Trouble, keep_trying

EVERY = 1.0
"""Seconds between two searches for unpublished letters."""
_AT_ONCE = 500


class DeadLetterPublisher:
    """Publishes the dead letters of the worker's partitions; `partitions` has the partitions held now."""

    def __init__(self, pool: Pool, brokers: Brokers, topic: str, partitions: Collection[int]) -> None:
        self._pool = pool
        self._partitions = partitions
        self._brokers = brokers
        self._topic = topic

    async def run(self) -> None:
        """Publish letters as they are recorded; never returns. A failed publication is tried again."""
        await keep_trying(self._publish_all, Trouble("dead letters could not be published"), EVERY)

    async def _publish_all(self) -> None:
        while await self._publish():
            pass

    async def _publish(self) -> int:
        rows = await self._pool.fetch(
            sql("queries/fold/dead_letters_unpublished"), _AT_ONCE, sorted(self._partitions)
        )
        if rows:
            await self._send(rows)
            places = ([row[name] for row in rows] for name in ("topic_id", "partition", "source_offset"))
            await self._pool.execute(sql("queries/fold/dead_letters_published"), *places)
        return len(rows)

    async def _send(self, rows: Sequence[asyncpg.Record]) -> None:
        producer = AIOKafkaProducer(**self._brokers.aiokafka(), acks="all")
        await producer.start()
        try:
            sent = [
                await producer.send(self._topic, key=row["key"], value=_message(row["letter"], row["value"]))
                for row in rows
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()


def _message(letter: str, value: bytes | None) -> bytes:
    """Return the event described by `schemas/events/dead-letter.json`."""
    told = json.loads(letter)
    told["value"] = None if value is None else base64.b64encode(value).decode()
    return json.dumps(told).encode()
