"""The change log as it lies in Kafka, read and folded in plain Python, apart from what the product makes of it."""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from streams.settings import Settings

Key = tuple[str, str]
"""A row's deal and id: all of its events are on one partition."""
Row = tuple[str, str, str, str]
"""A row's tenant, pipeline, stage and `entered_at`, as Debezium writes them."""


class Event(NamedTuple):
    """One change; no row: it is gone."""

    offset: int
    xid: int | None
    key: Key
    row: Row | None


class Log:
    """Everything in the data topic, by partition and in the order of the offsets; `ends` lie behind it."""

    def __init__(self, partitions: Sequence[Sequence[Event]], ends: Sequence[int]) -> None:
        self.partitions = partitions
        self.ends = ends
        self._offsets = [[event.offset for event in events] for events in partitions]

    def __len__(self) -> int:
        return sum(map(len, self.partitions))

    def events(self, since: Sequence[int], until: Sequence[int]) -> Iterator[Event]:
        """Yield each partition's events from its position in `since` to that in `until`."""
        for events, offsets, first, end in zip(self.partitions, self._offsets, since, until, strict=True):
            yield from events[bisect_left(offsets, first) : bisect_left(offsets, end)]


def read_log(settings: Settings) -> Log:
    """Read what is committed in the data topic now."""
    partitions: list[list[Event]] = [[] for _ in range(settings.partitions)]
    ends = log_ends(settings)
    for message in read(settings, ends, "read_committed"):
        partitions[message.partition()].append(_event(message.offset(), json.loads(message.value())))
    return Log(partitions, [ends[partition] for partition in range(settings.partitions)])


def _event(offset: int, envelope: dict[str, dict[str, str]]) -> Event:
    before, after, source = envelope["before"], envelope["after"], envelope["source"]
    key = after or before
    row = after and (
        *(after[name] for name in ("tenant_id", "pipeline_id", "pipeline_stage_id", "entered_at")),
    )
    xid = source["txId"]
    return Event(offset, None if xid is None else int(xid), (key["deal_id"], key["id"]), row or None)  # type: ignore[arg-type]  # four


def log_ends(settings: Settings) -> Mapping[int, int]:
    """Return the high watermark of each partition of the data topic."""
    with _consumer(settings, "read_uncommitted") as consumer:
        return {
            place.partition: consumer.get_watermark_offsets(place, timeout=10)[1]
            for place in _places(settings)
        }


def read(settings: Settings, ends: Mapping[int, int], isolation: str) -> Iterator[Message]:
    """Yield the records of the data topic that lie below `ends`."""
    reached = dict.fromkeys(ends, 0)
    places = _places(settings)
    with _consumer(settings, isolation) as consumer:
        consumer.assign(places)
        while any(reached[partition] < end for partition, end in ends.items()):
            for message in consumer.consume(10_000, timeout=0.2):
                assert message.error() is None, message.error()
                if message.offset() < ends[message.partition()]:
                    yield message
            reached |= {
                place.partition: place.offset for place in consumer.position(places) if place.offset > 0
            }


def _places(settings: Settings) -> list[TopicPartition]:
    return [
        TopicPartition(settings.data_topic, partition, OFFSET_BEGINNING)
        for partition in range(settings.partitions)
    ]


@contextmanager
def _consumer(settings: Settings, isolation: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            **settings.brokers.confluent(),
            "group.id": "nobody",
            "enable.auto.commit": False,
            "isolation.level": isolation,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()
