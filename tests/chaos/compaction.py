"""Compaction that removes records under a replay, though `min.compaction.lag.ms` forbids it."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import httpx
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams.cdc.topics import Topics
from tests.chaos.change_log import log_ends, read
from tests.chaos.stage import FOLDING, Stage, kill, log, name_of
from tests.integration.stream.installation import Worker
from tests.standing_still import go_on, stop

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
CLEARLY = 3000
"""Records; half of the rows that are written again."""
READ = re.compile(r"^funnelproof_records_total\{.*\} (\d+)", re.MULTILINE)


async def compact_during_replay(stage: Stage) -> str:
    """A worker without checkpoints stands still in its replay while what it has yet to read is compacted, and again."""
    installation = stage.installation
    await _fill(stage)
    await stage.folding()
    kill(stage.worker)
    shutil.rmtree(stage.checkpoints)
    before = await asyncio.to_thread(removed_records, stage)
    flushes = await installation.connection.fetchval(FLUSHES)
    slow = _start_patient_worker(stage)
    await installation.wait_until(ALL_CLAIMED, name_of(slow), seconds=FOLDING)
    stop(slow.process.pid)
    removed, places = [before], [0]
    async with _compacting(stage):
        for round_ in range(ROUNDS):
            if round_:
                go_on(slow.process.pid)
                places.append(await _read_on(slow, places[-1]))
                stop(slow.process.pid)
                await _write_again(stage, "xy"[round_ % 2])
            removed.append(await _compacted(stage, removed[-1]))
        ahead = sum(
            1
            for was, now in zip(flushes, await installation.connection.fetchval(FLUSHES), strict=True)
            if was == now
        )
        assert ahead, "the replay was over before compaction was"
        go_on(slow.process.pid)
        await stage.folding()
    assert "resumed" not in log(slow)
    assert await slow.stop() == 0, slow.log()
    await stage.next_worker()
    return (
        f"{_differences(removed)} records were compacted away "
        f"at the replay's records {places}, "
        f"while {ahead} partitions had yet to be replayed"
    )


def _differences(counts: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(counts)]


async def _fill(stage: Stage) -> None:
    """Write rows, and write them again and again, and delete half: most of the log is then superseded."""
    funnel = stage.crm.funnels[0]
    connection = stage.installation.connection
    pipeline = funnel.ids["other_pipeline"]
    await connection.execute(MANY, funnel.tenant, pipeline, funnel.ids["x"])
    for name in "yxy":
        await _write_again(stage, name)
    await connection.execute(FEWER, pipeline)


async def _write_again(stage: Stage, name: str) -> None:
    ids = stage.crm.funnels[0].ids
    await stage.installation.connection.execute(AGAIN, ids["other_pipeline"], ids[name])


def _start_patient_worker(stage: Stage) -> Worker:
    """Start one whose session outlives its standing still."""
    environment = stage.installation.environment
    patient = {**environment, "FUNNELPROOF_SESSION_TIMEOUT": "60s"}
    stage.installation.environment = patient
    try:
        return stage.installation.start_worker()
    finally:
        stage.installation.environment = environment


async def _read_on(worker: Worker, before: int) -> int:
    """Wait until the replay has come a little further; return how many records it has passed."""
    (site,) = re.findall(r"url=(http\S+)", log(worker))
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
        while True:
            metrics = (await client.get(f"{site}/metrics")).text
            if (read := sum(map(int, READ.findall(metrics)))) > before:
                return read


async def _compacted(stage: Stage, before: int) -> int:
    """Wait until clearly more records than `before` are gone; return how many."""
    async with asyncio.timeout(60):
        while (removed := await asyncio.to_thread(removed_records, stage)) < before + CLEARLY:
            await asyncio.sleep(0.5)
        return removed


@asynccontextmanager
async def _compacting(stage: Stage) -> AsyncIterator[None]:
    """Have the data topic compacted at once; afterwards it is as it was."""
    settings = stage.installation.settings
    topics = Topics(settings.brokers)
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
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    admin.incremental_alter_configs([broker])[broker].result(10)


def removed_records(stage: Stage) -> int:
    """Return how many offsets of the data topic hold no record any more (or a transaction's marker), by reading it."""
    settings = stage.installation.settings
    ends = log_ends(settings)
    return sum(ends.values()) - sum(1 for _ in read(settings, ends, "read_uncommitted"))
