"""The README's section "Use it on your CRM", line by line as it is written there, on the real stack."""

import ast
import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from funnelproof import run_stage_conversion_report
from streams.brokers import Brokers
from streams.cdc.topics import Topics
from streams.resources import sql
from streams.settings import PREFIX, Settings
from streams.store.migrations import migrate
from tests.servers import Servers, new_database

pytestmark = pytest.mark.thorough

SECTION = re.compile(r"^## Use it on your CRM\n(.*?)^## ", re.MULTILINE | re.DOTALL)
ENTERED = datetime(2025, 10, 15, 9, tzinfo=UTC)
CONVERSIONS = (
    "select count(*) from dyno_crm.report_stage_conversion_fact where run_id = $1 and converted_count = 1"
)
ADD_STAGE = "insert into dyno_crm.pipeline_stage values ($1, $2, $3, $4, $5)"
ADD_ENTRY = "insert into dyno_crm.deal_pipeline_stage_state values (gen_random_uuid(), $1, $2, $3, $4, $5)"


def section() -> str:
    found = SECTION.search((Path(__file__).parents[2] / "README.md").read_text("utf-8"))
    assert found
    return found[1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(), re.MULTILINE | re.DOTALL)


def block(language: str) -> str:
    return blocks(language)[0]


@dataclass(frozen=True)
class Shop:
    """A CRM with a pipeline that one deal went through in October 2025, and the settings that lead there."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    environment: dict[str, str]
    log: Path
    tenant: UUID
    pipeline: UUID
    stages: tuple[UUID, ...]

    def shell(self, line: str) -> str:
        """Run a line of the README to its end; return what it printed."""
        done = self.run(line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    def refuses(self, line: str) -> str:
        """Run a line of the README that refuses; return its reason."""
        done = self.run(line)
        assert done.returncode == 2, (line, done.stdout, done.stderr)
        return done.stderr

    def run(self, line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/bash", "-c", line],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )

    @contextmanager
    def beside(self, line: str) -> Iterator[None]:
        """Run a line that goes on until it is stopped."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                ["/bin/bash", "-c", f"exec {line}"], env=self.environment, stdout=log, stderr=log
            )
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, self.log.read_text("utf-8")
        finally:
            process.kill()
            process.wait()

    async def answers(self, url: str) -> None:
        """Wait until a page answers."""
        deadline = time.monotonic() + 100
        async with httpx.AsyncClient(timeout=30, follow_redirects=True) as client:
            answer: object = None
            while True:
                try:
                    answer = (await client.get(url)).status_code
                except httpx.TransportError as error:
                    answer = error
                if answer == 200:
                    return
                assert time.monotonic() < deadline, (answer, self.log.read_text("utf-8"))
                await asyncio.sleep(0.1)

    async def proves(self) -> None:
        """Wait until a worker proves."""
        deadline = time.monotonic() + 40
        while not await self.connection.fetchval("select exists (select from funnelproof.prover)"):
            assert time.monotonic() < deadline, self.log.read_text("utf-8")
            await asyncio.sleep(0.1)


@pytest.fixture
async def shop(servers: Servers, tmp_path: Path) -> AsyncIterator[Shop]:
    name = f"readme_{uuid4().hex[:10]}"
    async with new_database(servers.postgres_dsn, "template0", name) as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(sql("local/crm"))
        tenant, pipeline, deal = uuid4(), uuid4(), uuid4()
        stages = (uuid4(), uuid4(), uuid4())
        for order, stage in enumerate(stages):
            await connection.execute(ADD_STAGE, stage, tenant, pipeline, "abc"[order], order)
            at = ENTERED + order * timedelta(hours=1)
            await connection.execute(ADD_ENTRY, tenant, deal, pipeline, stage, at)
        mine = {
            "SOURCE_DSN": dsn,
            "KAFKA": servers.kafka,
            "CONNECT_URL": servers.connect_url,
            "INSTANCE": name,
            "TOPIC_PREFIX": name,
            "PARTITIONS": "2",
            "WINDOWS": "week,month",  # six years of them are closed in a moment
            "STATE_DIR": str(tmp_path / "state"),
        }
        outside = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        outside["PATH"] = f"{Path(sys.executable).parent}:{outside['PATH']}"
        environment = outside | {f"{PREFIX}{key}": value for key, value in mine.items()}
        shop = Shop(connection, environment, tmp_path / "worker.log", tenant, pipeline, stages)
        yield shop
        if await connection.fetchval(
            "select exists (select from pg_replication_slots where slot_name = $1)", name
        ):
            shop.shell("funnelproof connector delete --topics")
            await Topics(Brokers(servers.kafka)).delete([f"{name}.facts"])
        await connection.close()


async def test_the_readme_s_lines_do_what_they_say(shop: Shop) -> None:
    lines = re.findall(r"^\$ (.+)$", block("console"), re.MULTILINE)
    commands = {line.split()[1]: line for line in lines if line.startswith("funnelproof ")}
    exports = [line for line in lines if line.startswith("export ")]
    assert len(commands) + len(exports) == len(lines)
    assert list(commands) == [
        *("migrate", "connector", "worker", "run", "status", "top", "backfill", "reconcile"),
        *("dead-letters", "rebuild", "revise"),
    ]
    run = {name: (lambda line=line: asyncio.to_thread(shop.shell, line)) for name, line in commands.items()}
    settings = set(re.findall(rf"{PREFIX}(\w+)=", " ".join(exports)))
    assert settings == {"SOURCE_DSN", "KAFKA", "CONNECT_URL"}
    for line in exports:
        shop.shell(line)

    assert "dyno_crm.report_run" in await run["migrate"]()
    assert "RUNNING" in await run["connector"]()
    with shop.beside(commands["worker"]):
        await shop.proves()
        assert "all is well" in await run["status"]()
        assert "a → b" in await live(shop, commands["top"])
        assert "closed 384 windows" in await run["backfill"]()  # 312 weeks and 72 months
        assert (compared := re.search(r"compared (\d+) runs, .*: equal", await run["reconcile"]()))
        assert int(compared[1]) >= 384
        assert "no dead letters" in await run["dead-letters"]()
        assert "--yes" in await asyncio.to_thread(shop.refuses, commands["rebuild"])  # nobody is there to ask
        await shop.connection.execute("delete from dyno_crm.pipeline_stage where id = $1", shop.stages[1])
        assert "revised 4 runs" in await run["revise"]()  # October and its three whole weeks
    with shop.beside(commands["run"]):
        await shop.answers("http://127.0.0.1:8800/")
    counts = (
        "select entered_count, converted_count, revision from {} where pipeline_id = $1 and window_start = $2"
    )
    current = await shop.connection.fetchrow(
        counts.format("dyno_crm.stage_conversion_current") + " and window_name = 'week'",
        shop.pipeline,
        ENTERED.replace(day=13, hour=0),
    )
    assert tuple(current or ()) == (1, 1, 2)


async def live(shop: Shop, line: str) -> str:
    """Run `top` until the numbers are live: a busy machine may be late for a moment."""
    deadline = time.monotonic() + 40
    while (done := await asyncio.to_thread(shop.run, line)).returncode != 0:
        assert time.monotonic() < deadline, (done.stdout, done.stderr)
    return done.stdout


async def test_the_readme_s_views_and_its_report_from_python_are_there(shop: Shop, servers: Servers) -> None:
    await asyncio.to_thread(shop.shell, "funnelproof migrate")
    views = re.findall(r"^\| `(dyno_crm\.\w+)` \|", section(), re.MULTILINE)
    assert len(views) == 3
    for view in views:
        assert await shop.connection.fetch(f"select * from {view}") == []  # noqa: S608 - the README's names
    values: dict[str, Any] = {
        "source_dsn": shop.environment[f"{PREFIX}SOURCE_DSN"],
        "tenant_id": shop.tenant,
        "pipeline_id": shop.pipeline,
        "period_start": ENTERED,
        "period_end": ENTERED + timedelta(days=1),
    }
    in_crm, elsewhere = blocks("python")
    await run_lines(in_crm, values)
    assert values["run_stage_conversion_report"] is run_stage_conversion_report
    assert await shop.connection.fetchval(CONVERSIONS, values["run_id"]) == 2
    async with new_database(servers.postgres_dsn, "template0") as values["report_dsn"]:
        there = await asyncpg.connect(values["report_dsn"])
        await migrate(there)
        await run_lines(elsewhere, values)
        assert await there.fetchval(CONVERSIONS, values["run_id"]) == 2
        assert await shop.connection.fetchval(CONVERSIONS, values["run_id"]) == 0
        for connection in (there, values["report"], values["crm"]):
            await connection.close()


async def run_lines(lines: str, values: dict[str, Any]) -> None:
    """Run lines of the README, which may await, on `values` and whatever earlier lines have added."""
    code = compile(lines, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, values)  # noqa: S307 - the README's own lines


def test_the_settings_that_the_readme_exports_are_settings() -> None:
    exported = re.findall(rf"{PREFIX}(\w+)=(\S+)", block("console"))
    assert Settings(**{name.lower(): value for name, value in exported})
