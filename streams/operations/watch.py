"""Reads a running worker."""

import asyncio
import time
from collections.abc import Mapping

import asyncpg
from confluent_kafka import KafkaException

from streams.errors import FunnelproofError
from streams.operations.reading import CheckpointReading, PartitionReading, Reading
from streams.reconciliation.ledger import LedgerReading, read_ledger
from streams.running import Running
from streams.store.keep_trying import PASSING_ERRORS
from streams.worker import Worker

KAFKA_SECONDS = 2.0
"""The most seconds for which a scrape waits for Kafka's answer."""
LEDGER_SECONDS = 2.0
"""The most seconds for which a scrape waits for the ledger of comparisons."""


async def read(worker: Worker, now: float, *, ask_kafka: bool = False) -> Reading:
    """Return the values of `worker` at `now` (of `time.monotonic`).

    With `ask_kafka`, also the log's ends and the ledger of comparisons.
    """
    running = worker.running
    if running is None:
        return Reading(joining=now - worker.began, takeover_trouble=worker.trouble.why)
    processor, closer, partials = running.processor, running.closer, running.partials
    checkpointing, events = running.checkpointing, running.events
    ask_kafka = ask_kafka and bool(processor.partitions)
    ends = await _ends(running) if ask_kafka else None
    proves = closer.unproven_since is not None
    return Reading(
        takeover_trouble=worker.trouble.why,
        topic_trouble=running.topic.trouble,
        session_trouble=running.hold.trouble.why,
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
        proof_trouble=closer.trouble.why if proves else None,
        proven_until=closer.proven_until if proves else None,
        overdue=closer.overdue(now) if proves else None,
        label_failures=closer.labels.failures,
        published=events.published,
        unpublished=events.unpublished,
        unpublished_for=None if events.waiting_since is None else now - events.waiting_since,
        publish_trouble=events.trouble.why,
        checkpoints={
            partition: CheckpointReading(max(0.0, time.time() - at), size)
            for partition, (at, size) in checkpointing.written.copy().items()
            if partition in processor.owned
        },
        checkpoints_fail=not checkpointing.failing.isdisjoint(processor.owned),
        doubts=[*running.slot.doubts, *closer.doubts] if proves else (),
        held_by=closer.held_by if proves else (),
        ledger=await _ledger(running) if ask_kafka and proves else None,
    )


async def _ledger(running: Running) -> LedgerReading | None:
    try:
        return await asyncio.wait_for(read_ledger(running.report), LEDGER_SECONDS)
    except (*PASSING_ERRORS, asyncpg.PostgresError):
        return None


async def _ends(running: Running) -> Mapping[int, int] | None:
    try:
        return await asyncio.wait_for(running.ends(), KAFKA_SECONDS)
    except (TimeoutError, FunnelproofError, KafkaException):
        return None
