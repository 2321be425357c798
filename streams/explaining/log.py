"""The log, read from its beginning by a reader of its own: a second witness beside the workers."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.brokers import Brokers
from streams.cdc.envelope import LogRecord
from streams.cdc.silence import why_silent
from streams.errors import UnreachableError

RECORDS_AT_ONCE = 5000
SILENT_SECONDS = 30.0
"""The seconds without a record after which the reading is given up."""


class Record(LogRecord, Protocol):
    """A Kafka record, as aiokafka parses records."""

    @property
    def offset(self) -> int:
        """The record's place in the partition."""

    @property
    def key(self) -> bytes | None:
        """The raw key."""


class Log:
    """Reads the data topic, committed records only. The reader has no group, and moves no position of the workers."""

    def __init__(self, consumer: Any, brokers: Brokers, topic: str) -> None:  # noqa: ANN401 - aiokafka has no types
        self._consumer = consumer
        self._brokers = brokers
        self._topic = topic

    async def read(
        self, since: Mapping[int, int], until: Mapping[int, int]
    ) -> AsyncIterator[tuple[int, Sequence[Record]]]:
        """Yield the records of each partition in `[since, until)`, in order; the partitions take turns.

        Raises UnreachableError if Kafka does not answer.
        """
        left = {
            TopicPartition(self._topic, partition): end
            for partition, end in until.items()
            if end > since[partition]
        }
        if not left:
            return
        try:
            self._consumer.assign(list(left))
            for place in left:
                self._consumer.seek(place, since[place.partition])
            heard = time.monotonic()
            while left:
                found = await self._consumer.getmany(*left, timeout_ms=100, max_records=RECORDS_AT_ONCE)
                for place, records in found.items():
                    heard = time.monotonic()
                    wanted = [record for record in records if record.offset < left[place]]
                    if wanted:
                        yield place.partition, wanted
                for place in list(left):
                    if await self._consumer.position(place) >= left[place]:
                        del left[place]
                        heard = time.monotonic()
                if time.monotonic() - heard > SILENT_SECONDS:
                    raise UnreachableError(
                        f"Kafka gives no records of {self._topic}, which end further on: run this again"
                    )
        except (KafkaError, OSError) as error:
            raise await why_silent(self._brokers) from error


@asynccontextmanager
async def open_log(brokers: Brokers, topic: str) -> AsyncIterator[Log]:
    """Open a reader of the data topic. Raises UnreachableError if Kafka does not answer."""
    consumer = AIOKafkaConsumer(
        **brokers.aiokafka(),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=4 << 20,
    )
    try:
        await consumer.start()
        yield Log(consumer, brokers, topic)
    except (KafkaError, OSError) as error:
        raise await why_silent(brokers) from error
    finally:
        await consumer.stop()
