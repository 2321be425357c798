"""What a real broker does to the beginning of a log, and what a worker makes of it."""

import asyncio
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from structlog.testing import CapturingLogger

from streams.brokers import Brokers
from streams.cdc.folded import FoldedTopic, RecordsLostError
from streams.fold import log_watch
from streams.fold.checkpoint import Checkpoints
from streams.fold.checkpointing import Checkpointing
from streams.fold.log_watch import LogWatch
from streams.fold.partials import Partials
from streams.fold.processor import Processor
from streams.store.doubts import unresolved_doubts
from streams.store.epoch import Epoch
from tests.integration.deletion import delete_records, set_topic
from tests.integration.processor.conftest import PLAN, Bench, entered

COMPACTED_AT_ONCE = {
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "500",
    "min.cleanable.dirty.ratio": "0.001",
    "segment.ms": "100",
}


def produce(kafka: str, topic: str, count: int, key: bytes | None = None) -> None:
    """Write so many events to partition 0, of one row or of rows of their own."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0})
    for number in range(count):
        producer.produce(topic, entered(), key or b"%d" % number, partition=0)
    assert producer.flush(20) == 0


def first_offset(kafka: str, topic: str) -> int:
    """Return the offset of the first record there is."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    record = consumer.poll(20)
    consumer.close()
    assert record is not None
    offset: int = record.offset()
    return offset


async def another_worker(bench: Bench, kafka: str, folder: Path) -> Processor:
    topic = await bench.topics.require(bench.topic)
    epoch = Epoch(bench.topic, topic.topic_id, 2, PLAN)
    checkpointing = Checkpointing(Checkpoints(folder, epoch.id), 3600.0)
    folded = FoldedTopic(Brokers(kafka), topic)
    return Processor(folded, Partials(bench.pool, epoch, "another"), checkpointing, PLAN, 0.05)


@pytest.mark.thorough
async def test_compaction_removes_the_first_records_and_leaves_the_beginning_of_the_log_where_it_is(
    bench: Bench, kafka: str, tmp_path: Path
) -> None:
    await set_topic(kafka, bench.topic, COMPACTED_AT_ONCE)
    for _ in range(4):  # a segment is closed by a record that comes later
        produce(kafka, bench.topic, 20, b"one row")
        await asyncio.sleep(0.3)
    async with asyncio.timeout(60):
        while await asyncio.to_thread(first_offset, kafka, bench.topic) == 0:
            await asyncio.sleep(1)
            produce(kafka, bench.topic, 1, b"one row")
    assert await bench.topics.starts(bench.topic, [0, 1]) == {0: 0, 1: 0}
    worker = await another_worker(bench, kafka, tmp_path / "other")
    assert await worker.on_assigned({0, 1}) == {0: 0, 1: 0}


async def test_a_worker_without_a_checkpoint_beyond_the_deleted_records_is_refused_and_changes_nothing(
    bench: Bench, kafka: str, tmp_path: Path
) -> None:
    produce(kafka, bench.topic, 9)
    await delete_records(kafka, bench.topic, {0: 4})
    assert await bench.topics.starts(bench.topic, [0, 1]) == {0: 4, 1: 0}
    progress = await bench.pool.fetch("select * from funnelproof.partition_progress")
    worker = await another_worker(bench, kafka, tmp_path / "other")
    with pytest.raises(RecordsLostError, match=f"partition 0 of {bench.topic} begins at 4"):
        await worker.on_assigned({0, 1})
    assert await bench.pool.fetch("select * from funnelproof.partition_progress") == progress


async def test_a_policy_that_deletes_records_is_a_doubt_and_deleted_records_alone_are_logged_once(
    bench: Bench, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = CapturingLogger()  # another test of the process may have bound the log to its own stderr
    monkeypatch.setattr(log_watch, "log", logged)
    watch = LogWatch(bench.processor._topic, bench.pool, bench.processor.owned)
    await watch.look()
    produce(kafka, bench.topic, 9)
    await delete_records(kafka, bench.topic, {0: 4})
    for _ in range(2):
        await watch.look()
    assert await unresolved_doubts(bench.pool) == []
    assert sum("first records were deleted" in call.args[0] for call in logged.calls) == 1
    await set_topic(kafka, bench.topic, {"cleanup.policy": "compact,delete"})
    await watch.look()
    (doubt,) = await unresolved_doubts(bench.pool)
    assert doubt.kind == "retention"
    assert "cleanup.policy=compact,delete" in doubt.reason
    assert "cleanup.policy=compact," in doubt.remedy
