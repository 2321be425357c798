"""What a running worker does about a Postgres that refuses or does not answer, a lost membership, and a full disk."""

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.group import LeaveGroupRequest
from confluent_kafka.admin import AdminClient

from tests import programs
from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import PATIENCE, Installation, Worker
from tests.integration.stream.writing import keep_writing

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(150)]

MANY_DEALS = """
insert into dyno_crm.deal_pipeline_stage_state (
    id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at
)
select gen_random_uuid(), $1, gen_random_uuid(), $2, $3, clock_timestamp() from generate_series(1, $4)
"""
FULL = 64 * 1024
"""Bytes to which the worker's files may grow: enough for its log, too few for the checkpoint of 2,000 deals."""


@pytest.fixture(scope="module")
async def installation(install: Install) -> AsyncIterator[Installation]:
    """One for the tests of a module. A funnel each keeps them apart."""
    settings = {"WINDOWS": "3s,1h", "LOG_FORMAT": "json", "CHECKPOINT_INTERVAL": "1s"}
    async with install(**settings) as installation:
        yield installation


@pytest.fixture
async def worker(installation: Installation) -> Worker:
    """The worker that runs."""
    if not any(worker.runs for worker in installation.workers):
        installation.start_worker()
    await installation.wait_until_folding()
    return installation.workers[-1]


@pytest.fixture
async def funnel(installation: Installation) -> Funnel:
    funnel = Funnel()
    await funnel.create(installation.connection)
    return funnel


async def enter_many(installation: Installation, funnel: Funnel, many: int = 2000) -> None:
    await installation.connection.execute(MANY_DEALS, funnel.tenant, funnel.pipeline, funnel.ids["a"], many)


async def members(installation: Installation) -> list[str]:
    """Return the ids that the consumer group knows its members by."""
    admin = AdminClient({"bootstrap.servers": installation.settings.kafka})
    group = installation.settings.instance
    described = await asyncio.wrap_future(admin.describe_consumer_groups([group])[group])
    return [member.member_id for member in described.members]


async def put_out(installation: Installation, member: str) -> None:
    """Tell the group that a member leaves, in the member's name."""
    client = AIOKafkaClient(bootstrap_servers=installation.settings.kafka)
    await client.bootstrap()
    try:
        answer = await client.send(
            client.get_random_node(), LeaveGroupRequest(installation.settings.instance, member)
        )
        assert answer.error_code == 0
    finally:
        await client.close()


def site_of(worker: Worker) -> httpx.AsyncClient:
    (url,) = [line["url"] for line in map(json.loads, worker.log(10_000).splitlines()) if "url" in line]
    return httpx.AsyncClient(base_url=url)


async def records_read(worker: Worker) -> float:
    async with site_of(worker) as site:
        lines = (await site.get("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("funnelproof_records_total"))


def memory(worker: Worker) -> int:
    """Resident bytes."""
    pages = Path(f"/proc/{worker.process.pid}/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


def limit_files(worker: Worker, most: int) -> None:
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


async def until(site: httpx.AsyncClient, status: str) -> dict[str, object]:
    for _ in range(int(PATIENCE / 0.1)):
        answer = await site.get("/healthz")
        if answer.json()["status"] == status:
            assert answer.status_code == 200
            return dict(answer.json())
        await asyncio.sleep(0.1)
    raise AssertionError(answer.text)


async def checkpoints(site: httpx.AsyncClient) -> dict[str, float]:
    lines = (await site.get("/metrics")).text.splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
        if name.startswith("funnelproof_checkpoint")
    }


async def test_a_session_timeout_that_kafka_does_not_allow_is_said_at_once(
    installation: Installation,
) -> None:
    environment = installation.environment | {"FUNNELPROOF_SESSION_TIMEOUT": "2h"}
    done = await asyncio.to_thread(programs.run, ["worker"], environment)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "FUNNELPROOF_SESSION_TIMEOUT is 7200 s" in done.stderr
    assert "and 1800 s (the brokers' group.min.session.timeout.ms" in done.stderr


async def test_a_flush_that_postgres_refuses_stops_the_worker_with_the_reason_as_last_line(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    former = dict(installation.environment)
    installation.environment["FUNNELPROOF_WINDOWS"] = "1h"  # no window closes: the flush is refused first
    worker = installation.start_worker()
    await installation.wait_until_folding()
    await connection.execute("alter table funnelproof.partial rename to elsewhere")
    await funnel.enter(connection, uuid4(), "a", await installation.now())
    assert await asyncio.to_thread(worker.process.wait, 20) == 1
    lines = [json.loads(line) for line in worker.log(10_000).splitlines()]
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    assert lines[-1]["event"] == "the worker has stopped"
    assert lines[-1]["reason"].startswith(
        'Postgres refused: relation "funnelproof.partial" does not exist: a table or a column is missing'
    )
    assert [line["event"] for line in lines if "exception" in line] == []  # the reason says all

    await connection.execute("alter table funnelproof.elsewhere rename to partial")
    installation.environment = former
    installation.start_worker()
    await installation.wait_until_folding()
    await installation.proven()
    await installation.right(funnel.tenant)


async def test_a_worker_that_the_group_has_put_out_joins_again_and_loses_nothing(
    installation: Installation, worker: Worker, funnel: Funnel
) -> None:
    async with keep_writing(installation, [funnel]):
        await asyncio.sleep(1)
        (former,) = await members(installation)
        await put_out(installation, former)
        for _ in range(200):
            now = await members(installation)
            if now and now != [former]:
                break
            await asyncio.sleep(0.1)
        assert now
        assert now != [former]
        await installation.wait_until_folding()
    assert worker.runs
    await installation.proven()
    await installation.right(funnel.tenant)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit a process that runs already")
async def test_a_worker_whose_disk_is_full_goes_on_and_says_so_until_there_is_room(
    installation: Installation, worker: Worker, funnel: Funnel
) -> None:
    async with site_of(worker) as site:
        await until(site, "ok")
        await enter_many(installation, funnel, 8000)
        limit_files(worker, FULL)
        answer = await until(site, "degraded")
        assert answer["reasons"] == []
        assert "make room in FUNNELPROOF_STATE_DIR" in str(answer["warnings"])
        assert "make room in FUNNELPROOF_STATE_DIR" in worker.log(1000)
        assert "File too large" in worker.log(1000)
        found = await checkpoints(site)
        assert found['funnelproof_checkpoints_total{result="failed"}'] > 0
        assert found['funnelproof_checkpoint_bytes{partition="0"}'] < FULL  # the one from before
        assert found['funnelproof_checkpoint_age_seconds{partition="0"}'] < PATIENCE

        await funnel.enter(installation.connection, uuid4(), "a", await installation.now())  # it counts on
        await installation.proven()
        await installation.right(funnel.tenant)
    worker.kill()  # nothing is lost without a newer checkpoint
    worker = installation.start_worker()
    await installation.wait_until_folding()
    await installation.right(funnel.tenant)
    limit_files(worker, FULL)
    async with site_of(worker) as site:
        await until(site, "degraded")
        limit_files(worker, resource.RLIM_INFINITY)
        await until(site, "ok")
        assert (await checkpoints(site))['funnelproof_checkpoint_bytes{partition="0"}'] > FULL


async def test_a_slow_postgres_slows_reading_down_and_costs_neither_memory_nor_the_membership(
    installation: Installation, worker: Worker, funnel: Funnel
) -> None:
    await enter_many(installation, funnel)
    await installation.proven()
    member, before, read = await members(installation), memory(worker), await records_read(worker)
    slow = await asyncpg.connect(installation.settings.source_dsn)
    async with slow.transaction():
        await slow.execute("select from funnelproof.partition_progress for update")
        await enter_many(installation, funnel)
        await asyncio.sleep(3)  # until the worker has noticed that its flush is stuck
        paused = await records_read(worker)
        for _ in range(10):
            await enter_many(installation, funnel)
            await asyncio.sleep(0.5)
        assert await records_read(worker) <= paused + 4_000  # the batch in hand
        assert memory(worker) - before < 60e6
        assert await members(installation) == member  # beyond the session's four seconds
    await slow.close()
    assert read < paused
    await installation.proven()
    await installation.right(funnel.tenant)
    assert await members(installation) == member
    assert worker.runs
