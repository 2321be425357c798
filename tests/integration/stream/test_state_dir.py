"""A worker that cannot write its checkpoints."""

import asyncio
import json
import resource
import sys
from uuid import uuid4

import httpx
import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import PATIENCE, Worker

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(150),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit a process that runs already"),
]

MANY_DEALS = """
insert into dyno_crm.deal_pipeline_stage_state (
    id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at
)
select gen_random_uuid(), $1, gen_random_uuid(), $2, $3, clock_timestamp() from generate_series(1, 8000)
"""
FULL = 64 * 1024
"""Bytes to which the worker's files may grow: enough for its log, too few for the checkpoint of 2,000 deals."""


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


async def test_a_worker_whose_disk_is_full_goes_on_and_says_so_until_there_is_room(install: Install) -> None:
    async with install(WINDOWS="1h", CHECKPOINT_INTERVAL="300ms", LOG_FORMAT="json") as installation:
        connection, funnel = installation.connection, Funnel()
        await funnel.create(connection)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        (url,) = [line["url"] for line in map(json.loads, worker.log(1000).splitlines()) if "url" in line]
        async with httpx.AsyncClient(base_url=url) as site:
            await until(site, "ok")
            await connection.execute(MANY_DEALS, funnel.tenant, funnel.pipeline, funnel.ids["a"])
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

            await funnel.enter(connection, uuid4(), "a", await installation.now())  # it counts on
            await installation.proven()
            await installation.right(funnel.tenant)
            worker.kill()  # nothing is lost without a newer checkpoint
            worker = installation.start_worker()
            await installation.wait_until_folding()
            await installation.right(funnel.tenant)
            limit_files(worker, FULL)
        (url,) = [line["url"] for line in map(json.loads, worker.log(1000).splitlines()) if "url" in line]
        async with httpx.AsyncClient(base_url=url) as site:
            await until(site, "degraded")
            limit_files(worker, resource.RLIM_INFINITY)
            await until(site, "ok")
            assert (await checkpoints(site))['funnelproof_checkpoint_bytes{partition="0"}'] > FULL


async def test_a_session_timeout_that_kafka_does_not_allow_is_said_at_once(install: Install) -> None:
    async with install(SESSION_TIMEOUT="2h") as installation:
        done = await asyncio.to_thread(installation.run, "worker")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "FUNNELPROOF_SESSION_TIMEOUT is 7200 s" in done.stderr
        assert "and 1800 s (the brokers' group.min.session.timeout.ms" in done.stderr
