"""Sends events to Kafka in order. Kafka shows a batch as a whole, or not at all."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Producer

from streams.brokers import Brokers
from streams.cdc.facts_topic import make_facts_topic
from streams.cdc.topics import Topics

SEND_SECONDS = 5.0
"""The most seconds in which Kafka admits a sender, or confirms a transaction."""


@dataclass(frozen=True)
class Event:
    """A record to send. Key and value are sent in UTF-8."""

    key: str
    value: str


class EventProducer:
    """Sends batches to a topic, each batch in a Kafka transaction under the topic's name.

    A read_committed consumer therefore never sees part of an interrupted batch. The first batch of a new sender fences
    the former sender. Example: worker A pauses, worker B takes over and sends a batch. A wakes up as a zombie and sends
    on, but Kafka refuses A's transaction. A producer with a `sender` of its own fences no other.
    """

    def __init__(self, brokers: Brokers, topic: str, sender: str | None = None) -> None:
        self._brokers = brokers
        self._topic = topic
        self._sender = topic if sender is None else f"{topic}.{sender}"
        self._topics = Topics(brokers)
        self._producer: Producer | None = None

    async def prepare(self) -> None:
        """Make a missing topic. Call `prepare` before each batch: after a sent batch, the call costs nothing.

        Raises UnreachableError or KafkaException.
        """
        if self._producer is None:
            await make_facts_topic(self._topics, self._topic)

    async def begin(self) -> None:
        """Make the topic and the producer, so that the first batch waits for neither; not at the same time as `send`.

        Raises UnreachableError or KafkaException.
        """
        await self.prepare()
        if self._producer is None:
            self._producer = await asyncio.to_thread(self._start)

    async def send(self, events: Sequence[Event]) -> None:
        """Return once every event is confirmed by all replicas, in this order for each key.

        Raises KafkaException. Kafka may then have the events, or not.
        """
        producer, self._producer = self._producer, None
        self._producer = await asyncio.to_thread(self._send, producer, events)

    def _send(self, producer: Producer | None, events: Sequence[Event]) -> Producer:
        """Return the producer for the next batch. A failed producer is dropped, and fenced by the next producer."""
        if producer is None:
            producer = self._start()
        producer.begin_transaction()
        for event in events:
            producer.produce(self._topic, event.value.encode(), event.key.encode())
        producer.commit_transaction(SEND_SECONDS)
        return producer

    def _start(self) -> Producer:
        producer = Producer(
            {
                **self._brokers.confluent(),
                "transactional.id": self._sender,  # idempotent, and acknowledged by all replicas
                "transaction.timeout.ms": int(2000 * SEND_SECONDS),
                "compression.type": "zstd",
                # Kafka's own clients choose a key's partition like this, in a topic with several partitions.
                "partitioner": "murmur2_random",
            },
            logger=logging.getLogger(__name__),  # fatal errors are raised, too, and need not be on stderr
        )
        producer.init_transactions(SEND_SECONDS)
        return producer
