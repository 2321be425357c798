"""Sends events to Kafka in order: a batch is there as a whole, or not at all."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Producer

from streams.cdc.facts_topic import make_facts_topic
from streams.cdc.topics import Topics

SEND_SECONDS = 5.0
"""The most seconds in which Kafka begins, or confirms, a transaction."""


@dataclass(frozen=True)
class Event:
    """A record to be sent: UTF-8 text."""

    key: str
    value: str


class EventProducer:
    """Sends batches to one topic, each in a Kafka transaction under the topic's name.

    A read_committed consumer therefore never sees part of an interrupted batch. After a change of sender, the new
    sender's first batch shuts the former sender out, should the former sender wake up again.
    """

    def __init__(self, servers: str, topic: str) -> None:
        self._servers = servers
        self._topic = topic
        self._topics = Topics(servers)
        self._producer: Producer | None = None

    async def prepare(self) -> None:
        """Make the topic where it is missing. Call this before each batch: it costs nothing once a batch was sent.

        Raises UnreachableError or KafkaException.
        """
        if self._producer is None:
            await make_facts_topic(self._topics, self._topic)

    async def send(self, events: Sequence[Event]) -> None:
        """Return once every event is confirmed by all replicas, in this order for each key.

        Raises KafkaException; whether Kafka has the events is then unknown.
        """
        producer, self._producer = self._producer, None
        self._producer = await asyncio.to_thread(self._send, producer, events)

    def _send(self, producer: Producer | None, events: Sequence[Event]) -> Producer:
        """Return the producer for the next batch; one that failed is forgotten, and shut out by its successor."""
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
                "bootstrap.servers": self._servers,
                "transactional.id": self._topic,  # idempotent, and acknowledged by all replicas
                "transaction.timeout.ms": int(2000 * SEND_SECONDS),
                "compression.type": "zstd",
                # As Kafka's own clients choose a key's partition, should the topic have several.
                "partitioner": "murmur2_random",
                "log_level": 0,
            },
            logger=logging.getLogger(
                __name__
            ),  # what is fatal for it is raised, too: it need not be on stderr
        )
        producer.init_transactions(SEND_SECONDS)
        return producer
