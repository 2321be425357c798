"""What a running worker does about a Postgres that refuses or does not answer, and about a lost membership."""

import asyncio
import json
import resource
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.group import LeaveGroupRequest
from confluent_kafka.admin import AdminClient

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker
from tests.integration.stream.writing import keep_writing

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(150)]

MANY_DEALS = """
insert into dyno_crm.deal_pipeline_stage_state (
    id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at
)
select gen_random_uuid(), $1, gen_random_uuid(), $2, $3, clock_timestamp() from generate_series(1, 2000)
"""


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


async def records_read(worker: Worker) -> float:
    (url,) = [line["url"] for line in map(json.loads, worker.log(10_000).splitlines()) if "url" in line]
    async with httpx.AsyncClient() as client:
        lines = (await client.get(f"{url}/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("funnelproof_records_total"))


def memory(worker: Worker) -> int:
    """Resident bytes."""
    pages = Path(f"/proc/{worker.process.pid}/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


async def test_a_flush_that_postgres_refuses_stops_the_worker_with_the_reason_as_last_line(
    install: Install,
) -> None:
    async with install(WINDOWS="1h", LOG_FORMAT="json") as installation:
        connection, funnel = installation.connection, Funnel()
        await funnel.create(connection)
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
        installation.start_worker()
        await installation.wait_until_folding()
        await installation.proven()
        await installation.right(funnel.tenant)


async def test_a_worker_that_the_group_has_put_out_joins_again_and_loses_nothing(install: Install) -> None:
    async with install(WINDOWS="3s,1h") as installation:
        funnel = Funnel()
        await funnel.create(installation.connection)
        worker = installation.start_worker()
        await installation.wait_until_folding()
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


async def test_a_slow_postgres_slows_reading_down_and_costs_neither_memory_nor_the_membership(
    install: Install,
) -> None:
    async with install(WINDOWS="1h", LOG_FORMAT="json") as installation:
        connection, funnel = installation.connection, Funnel()
        await funnel.create(connection)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        many = funnel.tenant, funnel.pipeline, funnel.ids["a"]
        await connection.execute(MANY_DEALS, *many)
        await installation.proven()
        member, before, read = await members(installation), memory(worker), await records_read(worker)
        slow = await asyncpg.connect(installation.settings.source_dsn)
        async with slow.transaction():
            await slow.execute("select from funnelproof.partition_progress for update")
            await connection.execute(MANY_DEALS, *many)
            await asyncio.sleep(3)  # until the worker has noticed that its flush is stuck
            paused = await records_read(worker)
            for _ in range(10):
                await connection.execute(MANY_DEALS, *many)
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
