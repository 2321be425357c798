"""Compaction that removes records under a replay, though `min.compaction.lag.ms` forbids it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams.cdc.topics import Topics
from tests.chaos.stage import FOLDING, Stage, go_on, kill, log, name_of, stop
from tests.integration.stream.installation import Worker

AT_ONCE = {
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "500",
    "min.cleanable.dirty.ratio": "0.001",
    "segment.ms": "500",
    "delete.retention.ms": "0",
}
"""Settings of a topic with which segments are soon closed, and then compacted."""
MANY = """
insert into dyno_crm.deal_pipeline_stage_state (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
select gen_random_uuid(), $1, gen_random_uuid(), $2, $3, clock_timestamp() - random() * interval '10 minutes'
from generate_series(1, 10000)
"""
AGAIN = """
update dyno_crm.deal_pipeline_stage_state
set pipeline_stage_id = $2, entered_at = entered_at + interval '100 ms' where pipeline_id = $1
"""
FEWER = "delete from dyno_crm.deal_pipeline_stage_state where pipeline_id = $1 and get_byte(uuid_send(id), 0) < 128"
ALL_CLAIMED = "select bool_and(worker = $1) from funnelproof.partition_progress"
FLUSHES = "select array_agg(flushes order by partition) from funnelproof.partition_progress"
ROUNDS = 3
SLICE = 0.02
"""Seconds that the replay goes on for between two rounds of compaction."""


async def compact_during_replay(stage: Stage) -> str:
    """A worker without checkpoints stands still in its replay while what it has yet to read is compacted, and again."""
    installation = stage.installation
    await _fill(stage)
    await stage.folding()
    kill(stage.worker)
    shutil.rmtree(stage.checkpoints)
    before = await asyncio.to_thread(count_records, stage)
    flushes = await installation.connection.fetchval(FLUSHES)
    slow = _start_patient_worker(stage)
    await installation.wait_until(ALL_CLAIMED, name_of(slow), seconds=FOLDING)
    stop(slow)
    left: list[int] = []
    async with _compacting(stage):
        for round_ in range(ROUNDS):
            if round_:
                go_on(slow)
                await asyncio.sleep(SLICE)
                stop(slow)
            left.append(await _compacted(stage, before if not left else left[-1]))
        ahead = sum(
            1
            for was, now in zip(flushes, await installation.connection.fetchval(FLUSHES), strict=True)
            if was == now
        )
        assert ahead, "the replay was over before compaction was"
        go_on(slow)
        await stage.folding()
    assert "resumed" not in log(slow)
    assert await slow.stop() == 0, slow.log()
    await stage.next_worker()
    return (
        f"{before} records of the log became {left} in {ROUNDS} rounds of compaction, "
        f"while {ahead} partitions had yet to be replayed"
    )


async def _fill(stage: Stage) -> None:
    """Write rows, and write them again and again, and delete half: most of the log is then superseded."""
    funnel = stage.crm.funnels[0]
    connection = stage.installation.connection
    pipeline = funnel.ids["other_pipeline"]
    await connection.execute(MANY, funnel.tenant, pipeline, funnel.ids["x"])
    for stage_name in "yxy":
        await connection.execute(AGAIN, pipeline, funnel.ids[stage_name])
    await connection.execute(FEWER, pipeline)


def _start_patient_worker(stage: Stage) -> Worker:
    """Start one whose session outlives its standing still."""
    environment = stage.installation.environment
    patient = {**environment, "FUNNELPROOF_SESSION_TIMEOUT": "60s"}
    stage.installation.environment = patient
    try:
        return stage.installation.start_worker()
    finally:
        stage.installation.environment = environment


async def _compacted(stage: Stage, before: int) -> int:
    """Wait until the log holds clearly fewer records, though it grows meanwhile; return how many."""
    async with asyncio.timeout(60):
        while True:
            left = await asyncio.to_thread(count_records, stage)
            if left < before:
                return left
            await asyncio.sleep(0.5)


@asynccontextmanager
async def _compacting(stage: Stage) -> AsyncIterator[None]:
    """Have the data topic compacted at once; afterwards it is as it was."""
    settings = stage.installation.settings
    topics = Topics(settings.kafka)
    topic = await topics.require(settings.data_topic)
    former = {name: topic.settings[name] for name in AT_ONCE}
    await asyncio.to_thread(_clean_often, settings.kafka)
    await topics.ensure(topic.name, topic.partitions, AT_ONCE)
    try:
        yield
    finally:
        await topics.ensure(topic.name, topic.partitions, former)


def _clean_often(servers: str) -> None:
    """Let the broker look for what can be compacted every few hundred milliseconds."""
    entry = ConfigEntry("log.cleaner.backoff.ms", "300", incremental_operation=AlterConfigOpType.SET)
    broker = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": servers})
    admin.incremental_alter_configs([broker])[broker].result(10)


def count_records(stage: Stage) -> int:
    """Return how many records the data topic holds, by reading it."""
    settings = stage.installation.settings
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": "nobody",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
        }
    )
    places = [
        TopicPartition(settings.data_topic, partition, OFFSET_BEGINNING)
        for partition in range(settings.partitions)
    ]
    consumer.assign(places)
    records, ended = 0, set[int]()
    while len(ended) < len(places):
        for message in consumer.consume(10_000, timeout=1):
            if message.error():
                ended.add(message.partition())
            else:
                records += 1
    consumer.close()
    return records
