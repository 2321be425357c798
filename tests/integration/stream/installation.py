"""A whole funnelproof installation on real servers: its own database, connector, topics and workers."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg

from streams.cdc.connector import Connector
from streams.cdc.own_topics import OwnTopics
from streams.cdc.topics import Topics
from streams.demo.setup import set_up
from streams.domain.windows import from_microseconds, to_microseconds
from streams.settings import Settings
from streams.store.database import OwnConnection
from tests import programs
from tests.integration.stream import counts
from tests.integration.stream.funnel import Funnel
from tests.programs import Program
from tests.servers import Servers, new_database

PATIENCE = 20.0
"""Seconds after which what has not come is not expected to come; most of what is waited for takes one or two."""


class Worker:
    """One `funnelproof worker` process, or one of another command, and what the process logs."""

    def __init__(self, environment: dict[str, str], log: Path, *command: str) -> None:
        self._log = log
        self.process = Program(command or ("worker",), environment, log, log)

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def log(self, lines: int = 15) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-lines:])

    @property
    def resumed(self) -> int:
        """How many partitions it has taken over from a checkpoint."""
        return sum(map(int, re.findall(r"from_checkpoints=(\d+)", self.log(1000))))

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    async def stop(self) -> int:
        """Ask it to end and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 30)


SESSIONS = """
select
    pid, application_name, state, clock_timestamp() - xact_start as open_for, wait_event,
    pg_blocking_pids(pid) as waits_for, left(query, 200) as query
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'
"""
"""What the sessions of a database do, and for whom they wait."""


@dataclass
class Installation:
    """What a test does with an installation. `connection` is to the database of both the CRM and the facts."""

    settings: Settings
    environment: dict[str, str]
    connection: OwnConnection
    folder: Path
    workers: list[Worker] = field(default_factory=list)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a `funnelproof` command to its end."""
        return programs.run(command, self.environment)

    def start_worker(self) -> Worker:
        """Start a worker; `wait_until_folding` tells when it has taken over."""
        worker = Worker(self.environment, self.folder / f"worker{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    async def wait_until_folding(self) -> None:
        """Wait until the workers fold all partitions and the prover proves: from now on, everything is quick."""
        now = await self.now()
        await self.wait_until("select source_time > $1 from funnelproof.prover", now, seconds=100)

    async def now(self) -> datetime:
        """Return the source's clock."""
        now: datetime = await self.connection.fetchval("select clock_timestamp()")
        return now

    async def next_window(self) -> datetime:
        """Wait for the next window of the first kind to begin; return its start."""
        now = await self.now()
        kind = self.settings.window_kinds[0]
        start = from_microseconds(kind.window_at(to_microseconds(now)).end)
        await asyncio.sleep((start - now).total_seconds())
        return start

    async def wait_until(self, question: str, *arguments: object, seconds: float = PATIENCE) -> float:
        """Ask until the answer is true; return after how many seconds it was."""
        began = time.monotonic()
        while not await self.connection.fetchval(question, *arguments):
            if time.monotonic() - began >= seconds:
                sessions = "\n".join(map(str, await self.connection.fetch(SESSIONS)))
                raise AssertionError(
                    f"not so after {seconds} s: {question} {arguments}\n{sessions}\n{self.evidence()}"
                )
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def proven(self, seconds: float = PATIENCE) -> None:
        """Wait until everything committed by now is folded, and no closed window waits for a revision."""
        await self.wait_until(
            "select source_time > $1 and not exists (select from funnelproof.touched_window) "
            "from funnelproof.prover",
            await self.now(),
            seconds=seconds,
        )

    async def new_funnels(self, count: int) -> list[Funnel]:
        """Make funnels in the CRM, and wait until everything before them is proven."""
        funnels = [Funnel() for _ in range(count)]
        for funnel in funnels:
            await funnel.create(self.connection)
        await self.proven()
        return funnels

    async def right(self, *tenants: UUID, seconds: float = PATIENCE) -> None:
        """Wait until every window of these tenants (all, if none is given), open or closed, is as SQL says."""
        began = time.monotonic()
        while wrong := await counts.differences(self.connection, self.settings.window_kinds, tenants):
            assert time.monotonic() - began < seconds, (
                "streamed counts are not those of the canonical SQL:\n"
                + "\n".join(map(str, wrong[:10]))
                + f"\n{self.evidence()}"
            )
            await asyncio.sleep(0.25)  # the canonical SQL of all windows takes its time

    def reconcile(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Run `funnelproof reconcile`; return its exit status and what it printed."""
        done = self.run("reconcile", "--json", *options)
        assert done.stdout, done.stderr
        return done.returncode, cast("dict[str, Any]", json.loads(done.stdout))

    async def begin_anew(self) -> None:
        """Have a new log made, as `status` advises: the topics go, and the connector begins with a snapshot."""
        for command in (("connector", "delete", "--topics"), ("connector", "apply")):
            done = await asyncio.to_thread(self.run, *command)
            assert done.returncode == 0, done.stderr

    def evidence(self) -> str:
        """What the workers said last, for the message of a failure."""
        return "\n".join(
            f"worker {number} ({'runs' if worker.runs else worker.process.returncode}):\n{worker.log()}"
            for number, worker in enumerate(self.workers)
        )


@asynccontextmanager
async def installed(
    servers: Servers, template: str, folder: Path, name: str | None = None, **chosen: str
) -> AsyncIterator[Installation]:
    """Set an installation up as `migrate` and `connector apply` do, without a worker; remove every trace at the end."""
    name = name or f"e2e_{uuid4().hex[:10]}"
    async with new_database(servers.postgres_dsn, template, name) as dsn:
        connection = await asyncpg.connect(dsn)
        async with prepared(servers, dsn, name, folder, connection, **chosen) as installation:
            await set_up(installation.settings)
            yield installation


@asynccontextmanager
async def prepared(
    servers: Servers, dsn: str, name: str, folder: Path, connection: OwnConnection, **chosen: str
) -> AsyncIterator[Installation]:
    """Have the settings of an installation that is not set up yet; remove every trace at the end."""
    environment = {
        "SOURCE_DSN": dsn,
        "KAFKA": servers.kafka,
        "CONNECT_URL": servers.connect_url,
        "INSTANCE": name,
        "TOPIC_PREFIX": name,
        "PARTITIONS": "4",
        "STATE_DIR": str(folder / "state"),
        "SESSION_TIMEOUT": "4s",
        "REVISION_DEBOUNCE": "300ms",
        **chosen,
    }
    installation = Installation(
        Settings(**{key.lower(): value for key, value in environment.items()}),  # type: ignore[arg-type]  # parsed
        {**outside(), **{f"FUNNELPROOF_{key}": value for key, value in environment.items()}},
        connection,
        folder,
    )
    try:
        yield installation
    finally:
        for worker in installation.workers:
            worker.kill()
        await Connector(installation.settings).delete()
        await connection.close()
        crm = await asyncpg.connect(dsn)
        await _drop_slot(crm, name)
        await crm.close()
        settings = installation.settings
        await Topics(settings.brokers).delete([*OwnTopics(settings).of_the_log, settings.facts_topic])


def outside() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("FUNNELPROOF_")}


async def _drop_slot(connection: OwnConnection, name: str) -> None:
    find = "select slot_name, active_pid from pg_replication_slots where slot_name = $1"
    while slot := await connection.fetchrow(find, name):
        try:
            await connection.execute("select pg_drop_replication_slot($1)", name)
        except asyncpg.ObjectInUseError:  # the connector has not let go yet
            await connection.execute("select pg_terminate_backend($1)", slot["active_pid"])
            await asyncio.sleep(0.05)


async def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        await asyncio.sleep(0.05)
