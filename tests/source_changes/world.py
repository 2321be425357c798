"""The installation of a history, and the hands that a change of the source needs."""

import asyncio
import json
import shutil
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
from confluent_kafka.admin import AdminClient

from streams.cdc.connector import Connector
from streams.cdc.topics import Topics
from streams.demo.setup import set_up
from streams.local.postgres_home import installed_programs
from streams.running import checkpoint_folder
from streams.settings import Settings
from streams.store.database import OwnConnection
from tests import programs
from tests.integration.stream.installation import Worker
from tests.servers import Servers
from tests.source_changes.writes import Crm

WINDOW = "2s"
PROVES = "select source_time > $1 from funnelproof.prover"
STARTING = 40.0
"""Seconds in which a worker takes over and makes the first proof."""
CONNECT_SECONDS = 30.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Takes no time to make, unlike the default: Connect has no TLS here."""
RESTART_SECONDS = 4.0
"""The least seconds between two starts of a worker that ends."""


@dataclass
class World:
    """A source, a report database (often the same), a connector and a worker, all of one history's own.

    `source` and `report` are an administrator's sessions. `admin` is the environment of the one who installs,
    `operator` the environment of workers and of those who look at results: with `roles`, under the roles of
    `sql/roles.sql`. `refused` counts what Postgres did not let a change do.
    """

    name: str
    servers: Servers
    settings: Settings
    admin: dict[str, str]
    operator: dict[str, str]
    roles: bool
    folder: Path
    crm: Crm
    source: OwnConnection
    report: OwnConnection
    workers: list[Worker] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    _started_at: float = 0.0

    @property
    def separate(self) -> bool:
        """True if source and facts have databases of their own."""
        return self.settings.report_dsn is not None

    @property
    def words(self) -> dict[str, str]:
        """The names for `{rows}` and the other words in a change's statements."""
        return {
            "rows": "dyno_crm.deal_pipeline_stage_state",
            "stages": "dyno_crm.pipeline_stage",
            "publication": self.name,
            "slot": self.name,
            "worker": "funnelproof_worker",
            "cdc": "funnelproof_cdc",
            "trigger": "funnelproof_delete_before_truncate",
            "tenant": str(self.crm.funnel.tenant),
        }

    async def execute(self, statement: str, connection: OwnConnection | None = None) -> None:
        """Run a statement of a change. The change goes on if Postgres refuses: an earlier change may be in the way."""
        try:
            await (connection or self.source).execute(statement.format(**self.words))
        except asyncpg.PostgresError as error:
            self.refused[f"{statement}: {error}"] += 1
            with suppress(asyncpg.PostgresError):
                await (connection or self.source).execute("rollback")

    async def write(self) -> None:
        """Let the CRM write."""
        await self.crm.write(self.source)

    async def install(self) -> None:
        """Do as `migrate` and `connector apply` do; raises PreconditionError if the source is refused."""
        await set_up(self.settings)

    async def run(self, *command: str, admin: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a `funnelproof` command to its end."""
        return await asyncio.to_thread(programs.run, command, self.admin if admin else self.operator)

    async def status(self) -> tuple[int, list[str]]:
        """Return the exit status of `status`, and its troubles."""
        done = await self.run("status", "--json")
        if not done.stdout:
            return done.returncode, [done.stderr.strip()]
        return done.returncode, list(json.loads(done.stdout)["troubles"])

    # Workers

    @property
    def worker(self) -> Worker | None:
        """The latest worker that runs."""
        running = [worker for worker in self.workers if worker.runs]
        return running[-1] if running else None

    def start_worker(self) -> None:
        """Start a worker."""
        log = self.folder / f"worker{len(self.workers)}.log"
        self.workers.append(Worker(self.operator, log))
        self._started_at = time.monotonic()

    async def stop_workers(self) -> None:
        """Ask every worker to end."""
        for worker in self.workers:
            await end(worker)

    async def kill_and_start(self, *, keep_checkpoints: bool) -> None:
        """End the workers as a crash would, let the CRM write, and start one again."""
        for worker in self.workers:
            worker.kill()
        if not keep_checkpoints:
            self.forget_checkpoints()
        await self.write()
        self.start_worker()

    def forget_checkpoints(self) -> None:
        """Lose the files that workers keep."""
        shutil.rmtree(checkpoint_folder(self.settings), ignore_errors=True)

    def keep_a_worker(self) -> None:
        """Start a worker where none runs, after a moment, as a service manager does."""
        if self.worker is None and time.monotonic() - self._started_at > RESTART_SECONDS:
            self.start_worker()

    async def proves(self, seconds: float = STARTING) -> bool:
        """Wait for a proof of the present; return True once the proof is there."""
        now = await self.source.fetchval("select clock_timestamp()")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not await self.report.fetchval(PROVES, now):
                    await asyncio.sleep(0.1)
                return True
        return False

    # Kafka and Connect

    @cached_property
    def topics(self) -> Topics:
        """The cluster's topics."""
        return Topics(self.settings.brokers)

    @cached_property
    def kafka(self) -> AdminClient:
        """An administrator's client; its answers come as long as the client lives."""
        return AdminClient({"bootstrap.servers": self.settings.kafka, "log_level": 0})

    async def ask_connect(
        self, method: str, what: str = "", body: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask Connect about the connector until Connect agrees; a Connect that rebalances refuses."""
        url = f"{self.settings.connect_url}/connectors/{self.name}{what}"
        client = httpx.AsyncClient(trust_env=False, timeout=30, verify=NO_TLS)
        async with client, asyncio.timeout(CONNECT_SECONDS):
            while not (answer := await client.request(method, url, json=body)).is_success:
                if answer.status_code == 404:
                    break
                await asyncio.sleep(0.2)
        return answer

    @asynccontextmanager
    async def connector_stopped(self) -> AsyncIterator[None]:
        """Hold the connector stopped: nobody reads the slot."""
        await self.ask_connect("PUT", "/stop")
        await self._until("select not bool_or(active) from pg_replication_slots where slot_name = $1")
        try:
            yield
        finally:
            await self.ask_connect("PUT", "/resume")

    async def connector_runs(self) -> None:
        """Wait until the connector's task runs or has failed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                while True:
                    status = await Connector(self.settings).status()
                    if status.tasks and {status.state, *status.tasks} <= {"RUNNING", "FAILED"}:
                        return
                    await asyncio.sleep(0.2)

    async def _until(self, question: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                while await self.source.fetchval(question, self.name) is False:
                    await asyncio.sleep(0.05)

    # Databases

    async def dump(self, dsn: str) -> Path:
        """Write a database into a file, as `pg_dump` does."""
        file = self.folder / f"{urlsplit(dsn).path.strip('/')}.sql"
        await self._program("pg_dump", "--file", str(file), dsn)
        return file

    async def restore(self, dsn: str, file: Path) -> None:
        """Make the database anew from the file. Sessions of others end; the administrator's are opened again."""
        name = urlsplit(dsn).path.strip("/")
        await self.disconnect()
        admin = await asyncpg.connect(self.servers.postgres_dsn)
        try:
            await admin.execute(f"drop database {name} with (force)")
            await admin.execute(f"create database {name}")
        finally:
            await admin.close()
        await self._program("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", str(file), dsn)
        await self.connect()

    async def connect(self) -> None:
        """Open the administrator's sessions."""
        self.source = await session(self.settings.source_dsn)
        self.report = await session(self.settings.facts_dsn)

    async def disconnect(self) -> None:
        """End the administrator's sessions."""
        await self.source.close()
        await self.report.close()

    async def _program(self, name: str, *arguments: str) -> None:
        done = await asyncio.to_thread(
            subprocess.run,
            [str(installed_programs() / name), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


async def session(dsn: str) -> OwnConnection:
    """Open a session for which a table may change at any time; no statement waits long for a lock."""
    return await asyncpg.connect(
        dsn, statement_cache_size=0, server_settings={"lock_timeout": "10s", "timezone": "UTC"}
    )


async def end(worker: Worker) -> None:
    """Ask a worker to end; kill a worker that does not end."""
    with suppress(subprocess.TimeoutExpired):
        await worker.stop()
    worker.kill()
