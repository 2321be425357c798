"""Whatever is killed, `status` exits 1 and names it within a minute, and is healthy again once it is back."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from streams.local.stack import CRM_DATABASE
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, installed
from tests.servers import EmbeddedServers, embedded_servers, new_database

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400)]

MINUTE = 60.0
RECOVERY = 180.0
"""Seconds in which everything works again; Connect waits for a killed task's transaction to time out."""
BETWEEN = 1.5
"""Seconds from one `status` to the next: each asks every server."""


@dataclass
class Watched:
    """An installation with the CRM on `servers`, the facts on a Postgres of their own, and one worker."""

    installation: Installation
    servers: EmbeddedServers
    report: EmbeddedServers

    async def status(self) -> tuple[int, dict[str, Any]]:
        done = await asyncio.to_thread(self.installation.run, "status", "--json")
        told = re.sub(r"^asks the servers \(\d+ s\)\n", "", done.stderr, flags=re.MULTILINE)
        assert told == ""
        return done.returncode, json.loads(done.stdout)

    async def says(self, trouble: str) -> dict[str, Any]:
        """Wait until `status` names the trouble; return all that it says."""
        return await self._until(1, trouble, MINUTE)

    async def is_healthy(self) -> None:
        await self._until(0, "", RECOVERY)

    async def _until(self, wanted: int, trouble: str, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            code, told = await self.status()
            if code == wanted and (not trouble or any(trouble in each for each in told["troubles"])):
                return told
            assert time.monotonic() < deadline, (code, told, self.installation.evidence())
            await asyncio.sleep(BETWEEN)

    async def health(self) -> tuple[int, list[str]]:
        """Ask the youngest worker."""
        log = self.installation.workers[-1].log(100_000)
        (url,) = [line["url"] for line in map(json.loads, log.splitlines()) if "url" in line]
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{url}/healthz", timeout=10)
        return answer.status_code, answer.json()["reasons"]

    async def reconnect(self) -> None:
        """Have a session again after the source was killed."""
        self.installation.connection = await asyncpg.connect(self.installation.settings.source_dsn)


@pytest.fixture(scope="module")
async def watched(
    own_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("installation")
    with embedded_servers() as report:
        async with (
            new_database(report.postgres_dsn, "template0", f"facts_{uuid4().hex[:10]}") as facts,
            installed(
                own_servers, CRM_DATABASE, folder, WINDOWS="3s,1h", LOG_FORMAT="json", REPORT_DSN=facts
            ) as installation,
        ):
            yield Watched(installation, own_servers, report)


@pytest.fixture
async def healthy(watched: Watched) -> Watched:
    """The installation with a living worker, and in good health."""
    installation = watched.installation
    if not any(worker.runs for worker in installation.workers):
        if not installation.workers:
            code, told = await watched.status()
            assert code == 1
            assert told["troubles"] == [
                "nothing has been folded yet: start a worker with `funnelproof worker`"
            ]
        installation.start_worker()
    await watched.is_healthy()
    return watched


async def test_a_killed_worker_is_named_and_what_nobody_reads_is_counted(healthy: Watched) -> None:
    installation = healthy.installation
    worker = installation.workers[-1]
    worker.kill()
    told = await healthy.says(f":{worker.process.pid}): start a worker with `funnelproof worker`")
    assert told["living"] == []
    assert len(told["gone"]) == 1
    funnel = Funnel()
    await funnel.create(installation.connection)
    await funnel.enter(installation.connection, uuid4(), "a", await installation.now())
    await healthy.says("records of the log are unread, and nobody reads the log")
    for command in ("reconcile", "backfill", "revise"):
        span = () if command == "reconcile" else ("--from", "2020-01-01", "--to", "2020-02-01")
        done = await asyncio.to_thread(installation.run, command, *span)
        assert done.returncode == 2
        assert done.stderr == (
            "funnelproof: no worker lives, so nothing is counted or proven: start `funnelproof worker`\n"
        )
    installation.start_worker()
    await healthy.is_healthy()


async def test_a_worker_that_stands_still_is_told_by_its_positions(healthy: Watched) -> None:
    installation, funnel = healthy.installation, Funnel()
    await funnel.create(installation.connection)
    process = installation.workers[-1].process
    process.send_signal(signal.SIGSTOP)
    try:
        await funnel.enter(installation.connection, uuid4(), "a", await installation.now())
        told = await healthy.says("have unread records, and their positions stand: see the workers' logs")
        assert len(told["living"]) == 1
    finally:
        process.send_signal(signal.SIGCONT)
    await healthy.is_healthy()


async def test_a_paused_connector_is_named_with_its_state(healthy: Watched) -> None:
    settings = healthy.installation.settings
    async with httpx.AsyncClient(base_url=settings.connect_url) as connect:
        (await connect.put(f"/connectors/{settings.instance}/pause")).raise_for_status()
    line = f"the connector {settings.instance} is PAUSED: run `funnelproof connector apply`"
    await healthy.says(line)
    code, reasons = await healthy.health()
    assert (code, reasons[0].startswith(line)) == (503, True)
    done = await asyncio.to_thread(healthy.installation.run, "connector", "apply")
    assert done.returncode == 0, done.stderr
    await healthy.is_healthy()


async def test_a_deleted_connector_is_named(healthy: Watched) -> None:
    installation = healthy.installation
    done = await asyncio.to_thread(installation.run, "connector", "delete")
    assert done.returncode == 0, done.stderr
    await healthy.says(
        f"the connector {installation.settings.instance} is ABSENT: run `funnelproof connector apply`"
    )
    done = await asyncio.to_thread(installation.run, "connector", "apply")
    assert done.returncode == 0, done.stderr
    await healthy.is_healthy()


async def test_a_killed_connect_is_named(healthy: Watched) -> None:
    healthy.servers.stack.connect.kill()
    await healthy.says(f"Kafka Connect does not answer at {healthy.installation.settings.connect_url}")
    code, reasons = await healthy.health()
    assert (code, "Kafka Connect does not answer" in reasons[0]) == (503, True)
    await asyncio.to_thread(healthy.servers.stack.connect.start)
    await healthy.is_healthy()


async def test_a_killed_broker_is_named_and_the_log_stays_short(healthy: Watched) -> None:
    worker = healthy.installation.workers[-1]
    before = len(worker.log(100_000).splitlines())
    healthy.servers.stack.kafka.kill()
    await healthy.says(f"no Kafka broker answers at {healthy.installation.settings.kafka}")
    await asyncio.sleep(10)
    lines = [json.loads(line) for line in worker.log(100_000).splitlines()[before:]]
    assert sum(line["logger"].startswith("aiokafka") for line in lines) <= 1
    assert sum("group offsets" in line["event"] for line in lines) <= 1
    assert len(lines) < 20, lines
    await asyncio.to_thread(healthy.servers.stack.kafka.start)
    await healthy.is_healthy()


async def test_a_killed_source_is_named_by_its_address_and_setting(healthy: Watched) -> None:
    postgres = healthy.servers.stack.postgres
    postgres.kill()
    told = await healthy.says(f"cannot reach Postgres at {postgres.address}/")
    assert sum("FUNNELPROOF_SOURCE_DSN" in each for each in told["troubles"]) == 1
    await asyncio.to_thread(postgres.start)
    await healthy.reconnect()
    await healthy.is_healthy()


async def test_a_killed_report_database_is_named_by_its_address_and_setting(healthy: Watched) -> None:
    postgres = healthy.report.stack.postgres
    postgres.kill()
    told = await healthy.says(f"cannot reach Postgres at {postgres.address}/")
    assert sum("FUNNELPROOF_REPORT_DSN" in each for each in told["troubles"]) == 1
    assert told["connector"]["state"] == "RUNNING"
    await asyncio.to_thread(postgres.start)
    await healthy.is_healthy()
