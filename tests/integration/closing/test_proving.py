"""Nothing is proven of a log that is not folded to its end, open transactions included."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from streams.brokers import Brokers
from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.cdc.topics import Topics
from streams.completeness.proving import ProgressMissingError, Prover
from streams.domain.fingerprint import Fingerprint
from streams.domain.proof import Marker, Proof
from streams.store.database import Pool
from tests.integration.closing.conftest import PARTITIONS, START, Desk

SECONDS = 0.5
"""How long a proof may wait for progress: no flush comes meanwhile."""


class ArrivedMarker:
    """Markers whose way through the log takes no time: these tests are about the data topic."""

    def __init__(self, marker: Marker) -> None:
        self._marker = marker

    async def emit(self, *_: object) -> Marker:
        return self._marker

    async def arrival(self, *_: object) -> None: ...


async def look(_: object) -> Fingerprint:
    """The source's fingerprint: these tests are about the data topic."""
    return cast("Fingerprint", None)


async def ask() -> list[str]:
    """No fault of the connector: these tests are about the data topic."""
    return []


class Log:
    """A data topic of two partitions, and a prover of its windows."""

    def __init__(self, topics: Topics, name: str, kafka: str, prover: Prover) -> None:
        self.topics, self.name, self._kafka, self._prover = topics, name, kafka, prover

    def producer(self, **settings: str) -> Producer:
        return Producer({"bootstrap.servers": self._kafka, **settings})

    async def write(self, producer: Producer) -> None:
        """Append a record to partition 0."""
        producer.produce(self.name, b"{}", b"key", partition=0)
        assert await asyncio.to_thread(producer.flush, 10) == 0

    async def prove(self) -> Proof:
        return await self._prover.prove(cast("Any", None), START, progress_timeout=SECONDS)


@pytest.fixture
async def log(desk: Desk, pool: Pool, kafka: str) -> AsyncIterator[Log]:
    topics, name = Topics(Brokers(kafka)), f"proving_{uuid4().hex[:8]}"
    await topics.ensure(name, PARTITIONS, DATA_TOPIC_SETTINGS)
    markers = cast("Any", ArrivedMarker(desk.proof(1).marker))
    yield Log(topics, name, kafka, Prover(pool, topics, name, PARTITIONS, markers, look, ask))
    await topics.delete([name])


async def test_a_log_that_is_folded_to_its_end_is_proven(desk: Desk, log: Log) -> None:
    await desk.flush()
    assert (await log.prove()).source_time == START


async def test_records_of_a_transaction_that_is_still_open_must_be_folded_first(desk: Desk, log: Log) -> None:
    """A reader of what is committed does not see them yet, though the marker behind them has arrived."""
    await desk.flush()
    producer = log.producer(**{"transactional.id": log.name})
    await asyncio.to_thread(producer.init_transactions, 20)
    producer.begin_transaction()
    await log.write(producer)
    with pytest.raises(ProgressMissingError):
        await log.prove()
    await asyncio.to_thread(producer.abort_transaction, 10)


async def test_a_partition_that_nobody_has_flushed_yet_is_not_folded(log: Log) -> None:
    await log.write(log.producer())
    with pytest.raises(ProgressMissingError):
        await log.prove()


async def test_a_proof_that_waits_has_noted_the_ends_that_it_waits_for(
    desk: Desk, log: Log, pool: Pool
) -> None:
    await desk.flush()
    marker = desk.proof(1).marker.marker_id
    await pool.execute(
        "insert into funnelproof.marker (marker_id, purpose) overriding system value values ($1, 'close')",
        marker,
    )
    await log.write(log.producer())
    with pytest.raises(ProgressMissingError):
        await log.prove()
    needed = await pool.fetchval("select needed from funnelproof.marker where marker_id = $1", marker)
    ends = await log.topics.ends(log.name, range(PARTITIONS), committed=False)
    assert json.loads(needed) == {str(partition): end for partition, end in ends.items()}
