"""What was published to the topic of results, as a consumer sees it that reads what is committed."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import jsonschema
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.resources import schema

_FORMATS = jsonschema.FormatChecker(["uuid"])
_FORMATS.checks("date-time", ValueError)(lambda text: datetime.fromisoformat(text).tzinfo is not None)
_VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(schema("events/facts.schema.json")), format_checker=_FORMATS
)


@dataclass(frozen=True)
class PublishedEvent:
    """One record: its key, and what it says."""

    key: str
    value: dict[str, Any]

    @property
    def sequence(self) -> int:
        number: int = self.value["sequence"]
        return number

    @property
    def window(self) -> tuple[str, str, str]:
        """Which result it is a revision of."""
        return self.key, self.value["window_name"], self.value["window_start"]

    @property
    def revision(self) -> int:
        number: int = self.value["revision"]
        return number


def validate(value: object) -> None:
    """Raise jsonschema.ValidationError where an event is not as its schema says."""
    _VALIDATOR.validate(value)


async def published(kafka: str, topic: str) -> list[PublishedEvent]:
    """Return every event of the topic's only partition, each checked against the schema."""
    events = [PublishedEvent(key, value) for key, value in await read_topic(kafka, topic)]
    for event in events:
        validate(event.value)
    return events


async def read_topic(kafka: str, topic: str) -> list[tuple[str, dict[str, Any]]]:
    """Return key and value of every record of the topic's only partition, as far as it is committed."""
    return await asyncio.to_thread(_read, kafka, topic)


def _read(kafka: str, topic: str) -> list[tuple[str, dict[str, Any]]]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": str(uuid4()),
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = []
    try:
        while True:
            message = consumer.poll(10)
            assert message is not None, f"{topic} does not come to an end"
            if message.error() is None:
                records.append((message.key().decode(), json.loads(message.value())))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                return records
            else:
                assert message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART, message.error()
                return []
    finally:
        consumer.close()
