"""Reads a running worker."""

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

from confluent_kafka import KafkaException

from streams.cdc.folded import FoldedTopic
from streams.errors import FunnelproofError
from streams.fold.processor import Processor
from streams.operations.observed import ObservedCheckpoints, ObservedPartials
from streams.operations.reading import CheckpointReading, PartitionReading, Reading
from streams.publish.closer import Closer
from streams.publish.outbox import OutboxPublisher

KAFKA_SECONDS = 2.0
"""How long a scrape waits for Kafka's answer."""


class Watched(Protocol):
    """A worker, as far as it is watched. What `opened` does not say to be there, is not."""

    name: str
    began: float
    opened: asyncio.Event
    trouble: str | None
    topic: FoldedTopic
    processor: Processor
    closer: Closer
    events: OutboxPublisher
    partials: ObservedPartials
    checkpoints: ObservedCheckpoints

    async def ends(self) -> Mapping[int, int]:
        """Return where the log of each partition that is held ends; raises UnreachableError."""


async def read(worker: Watched, now: float, *, ask_kafka: bool = False) -> Reading:
    """Return how `worker` is at `now` (of `time.monotonic`), with the log's ends if Kafka is to be asked."""
    if not worker.opened.is_set():
        return Reading(joining=now - worker.began, takeover_trouble=worker.trouble)
    ask_kafka = ask_kafka and bool(worker.processor.partitions)
    ends = await _ends(worker) if ask_kafka else None
    processor, closer, partials = worker.processor, worker.closer, worker.partials
    events = worker.events
    proves = closer.unproven_since is not None
    return Reading(
        takeover_trouble=worker.trouble,
        topic_trouble=worker.topic.trouble,
        partitions={
            number: PartitionReading(
                owned.state.position, owned.active, len(owned.state.deals), (ends or {}).get(number)
            )
            for number, owned in processor.owned.items()
        },
        records=processor.records,
        changes=processor.changes,
        dead_letters=processor.dead_letters,
        silent=None if partials.answered_at is None else now - partials.answered_at,
        postgres_trouble=partials.trouble,
        kafka_answers=None if not ask_kafka else ends is not None,
        unproven=None if closer.unproven_since is None else now - closer.unproven_since,
        proof_trouble=closer.trouble if proves else None,
        proven_until=closer.proven_until if proves else None,
        overdue=closer.overdue(now) if proves else None,
        published=events.published,
        unpublished=events.unpublished,
        unpublished_for=None if events.waiting_since is None else now - events.waiting_since,
        publish_trouble=events.trouble,
        checkpoints={
            partition: CheckpointReading(max(0.0, time.time() - at), size)
            for partition, (at, size) in worker.checkpoints.written.copy().items()
            if partition in processor.owned
        },
        checkpoints_fail=not worker.checkpoints.failing.isdisjoint(processor.owned),
        doubts=closer.doubts if proves else (),
        held_by=closer.held_by if proves else (),
    )


async def _ends(worker: Watched) -> Mapping[int, int] | None:
    try:
        return await asyncio.wait_for(worker.ends(), KAFKA_SECONDS)
    except (TimeoutError, FunnelproofError, KafkaException):
        return None
