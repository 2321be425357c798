"""Counts the events that the connector writes to the data topic during the demo."""

import asyncio
from collections.abc import Sequence
from typing import NoReturn, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.cdc.topics import Topics
from streams.settings import Settings


class EventCounter:
    """Counts the committed records of the data topic since the counter's start; `count` grows while `run` runs."""

    def __init__(self, settings: Settings) -> None:
        self.count = 0
        self._topic = settings.data_topic
        self._places = range(settings.partitions)
        self._topics = Topics(settings.brokers)
        self._consumer = AIOKafkaConsumer(
            **settings.brokers.aiokafka(), isolation_level="read_committed", enable_auto_commit=False
        )

    async def __aenter__(self) -> Self:
        """Begin at the topic's present end."""
        await self._consumer.start()
        ends = await self._topics.ends(self._topic, self._places, committed=True)
        self._consumer.assign([TopicPartition(self._topic, place) for place in self._places])
        for place, end in ends.items():
            self._consumer.seek(TopicPartition(self._topic, place), end)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop reading."""
        await self._consumer.stop()

    async def run(self) -> NoReturn:
        """Count until cancelled."""
        while True:
            records: dict[TopicPartition, Sequence[object]] = await self._consumer.getmany(timeout_ms=500)
            self.count += sum(map(len, records.values()))

    async def catch_up(self, seconds: float) -> None:
        """Wait, at most about `seconds`, until every record that the topic holds now is counted."""
        ends = await self._topics.ends(self._topic, self._places, committed=True)
        for _ in range(int(seconds / 0.1)):
            places = [
                (await self._consumer.position(TopicPartition(self._topic, place)), end)
                for place, end in ends.items()
            ]
            if all(position >= end for position, end in places):
                return
            await asyncio.sleep(0.1)
