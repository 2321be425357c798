"""The installation of a history, and the hands that a change of the source needs."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
from confluent_kafka.admin import AdminClient

from streams.cdc.connector import Connector
from streams.cdc.topics import Topics
from streams.demo.setup import set_up
from streams.local.postgres_home import installed_programs
from streams.resources import sql
from streams.running import checkpoint_folder
from streams.settings import Settings
from streams.store.database import OwnConnection
from streams.store.migrations import migrate
from tests.integration.stream.installation import Worker
from tests.servers import Servers, new_database
from tests.source_changes.writes import Crm

SETTINGS = {
    "WINDOWS": "3s,1m",
    "PARTITIONS": "2",
    "PROOF_WAIT": "10s",
    "ESTIMATE_WAIT": "1s",
    "REVISION_DEBOUNCE": "200ms",
    "CHECKPOINT_INTERVAL": "1s",
    "SESSION_TIMEOUT": "4s",
}
WINDOW = "3s"
PROVES = "select source_time > $1 from funnelproof.prover"
STARTING = 40.0
"""Seconds in which a worker takes over and makes the first proof."""
CONNECT_SECONDS = 30.0
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
        """Whether the report database is another than the source."""
        return self.settings.report_dsn is not None

    @property
    def words(self) -> dict[str, str]:
        """What stands for `{rows}` and the like in the statements of a change."""
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
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "streams", *command],
            env=self.admin if admin else self.operator,
            capture_output=True,
            text=True,
            check=False,
        )

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

    def start_worker(self) -> Worker:
        """Start a worker."""
        worker = Worker(self.operator, self.folder / f"worker{len(self.workers)}.log")
        self.workers.append(worker)
        self._started_at = time.monotonic()
        return worker

    async def stop_workers(self) -> None:
        """Ask every worker to end."""
        for worker in self.workers:
            if worker.runs:
                with suppress(subprocess.TimeoutExpired):
                    await worker.stop()
                worker.kill()

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
        """Wait for a proof of the present; return whether there was one."""
        now = await self.source.fetchval("select clock_timestamp()")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not await self.report.fetchval(PROVES, now):
                    await asyncio.sleep(0.1)
                return True
        return False

    # Kafka and Connect

    @property
    def topics(self) -> Topics:
        """The cluster's topics."""
        return Topics(self.settings.kafka)

    @property
    def kafka(self) -> AdminClient:
        """An administrator's client."""
        return AdminClient({"bootstrap.servers": self.settings.kafka, "log_level": 0})

    async def ask_connect(
        self, method: str, what: str = "", body: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask Connect for the connector until it agrees: while it rebalances it does not."""
        url = f"{self.settings.connect_url}/connectors/{self.name}{what}"
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client, asyncio.timeout(CONNECT_SECONDS):
            while not (answer := await client.request(method, url, json=body)).is_success:
                if answer.status_code == 404:
                    break
                await asyncio.sleep(0.2)
        return answer

    @asynccontextmanager
    async def connector_stopped(self) -> AsyncIterator[None]:
        """Hold the connector stopped, so that nobody reads the slot."""
        await self.ask_connect("PUT", "/stop")
        await self._until("select not bool_or(active) from pg_replication_slots where slot_name = $1")
        yield
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


@asynccontextmanager
async def template_of(servers: Servers) -> AsyncIterator[str]:
    """Give the name of a database to be cloned: the CRM's tables, all migrations, the rights of the roles."""
    async with new_database(servers.postgres_dsn, "template0") as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(sql("local/crm"))
        await migrate(connection)
        await connection.execute(sql("roles"))
        await connection.close()
        yield urlsplit(dsn).path.strip("/")


@asynccontextmanager
async def a_world(
    servers: Servers, template: str, folder: Path, crm: Crm, name: str, *, roles: bool, separate: bool
) -> AsyncIterator[World]:
    """Make databases and roles; `World.install` then makes the rest. Every trace is removed at the end."""
    name = f"{name}_{uuid4().hex[:6]}"
    async with AsyncExitStack() as stack:
        if roles:
            await stack.enter_async_context(_own_roles(servers, name))
        source = await stack.enter_async_context(new_database(servers.postgres_dsn, template, name))
        chosen = {
            **SETTINGS,
            "SOURCE_DSN": source,
            "KAFKA": servers.kafka,
            "CONNECT_URL": servers.connect_url,
            "INSTANCE": name,
            "TOPIC_PREFIX": name,
            "STATE_DIR": str(folder / "state"),
        }
        if separate:
            chosen["REPORT_DSN"] = await stack.enter_async_context(
                new_database(servers.postgres_dsn, template, f"{name}_report")
            )
        operator = dict(chosen)
        if roles:
            chosen["CDC_DSN"] = operator["CDC_DSN"] = _as(f"{name}_cdc", source)
            for setting in {"SOURCE_DSN", "REPORT_DSN"} & chosen.keys():
                operator[setting] = _as(f"{name}_worker", chosen[setting])
        settings = Settings(**{key.lower(): value for key, value in chosen.items()})  # type: ignore[arg-type]  # parsed
        world = World(
            *(name, servers, settings, _environment(chosen), _environment(operator), roles, folder, crm),
            *(await session(settings.source_dsn), await session(settings.facts_dsn)),
        )
        stack.push_async_callback(_clean, world)
        yield world


@asynccontextmanager
async def _own_roles(servers: Servers, name: str) -> AsyncIterator[None]:
    roles = {
        f"{name}_cdc": "login replication password '{}' in role funnelproof_cdc",
        f"{name}_worker": "login password '{}' in role funnelproof_worker",
    }
    await _administer(servers, *(f"create role {role} {how.format(role)}" for role, how in roles.items()))
    try:
        yield
    finally:
        await _administer(servers, *(f"drop role {role}" for role in roles))


async def _administer(servers: Servers, *statements: str) -> None:
    admin = await asyncpg.connect(servers.postgres_dsn)
    try:
        for statement in statements:
            await admin.execute(statement)
    finally:
        await admin.close()


def _as(role: str, dsn: str) -> str:
    address = urlsplit(dsn)
    return address._replace(netloc=f"{role}:{role}@{address.netloc.rpartition('@')[2]}").geturl()


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    outside = {key: value for key, value in os.environ.items() if not key.startswith("FUNNELPROOF_")}
    return outside | {f"FUNNELPROOF_{key}": value for key, value in settings.items()}


async def _clean(world: World) -> None:
    for worker in world.workers:
        worker.kill()
    await world.disconnect()
    await world.ask_connect("DELETE")
    await _drop_slots(world)
    settings = world.settings
    await world.topics.delete(
        [
            settings.data_topic,
            settings.message_topic,
            settings.dead_letter_topic,
            settings.facts_topic,
            f"__debezium-heartbeat.{settings.topic_prefix}",
        ]
    )


async def _drop_slots(world: World) -> None:
    """Drop every slot of the history's databases; a deleted connector lets its slot go a moment later."""
    admin: Any = await asyncpg.connect(world.servers.postgres_dsn)
    slots = "select slot_name, active_pid from pg_replication_slots where starts_with(database, $1)"
    try:
        while found := await admin.fetch(slots, world.name):
            for slot in found:
                with suppress(asyncpg.ObjectInUseError, asyncpg.UndefinedObjectError):
                    await admin.execute("select pg_drop_replication_slot($1)", slot["slot_name"])
            await asyncio.sleep(0.1)
            for slot in found:
                await admin.execute("select pg_terminate_backend($1)", slot["active_pid"] or 0)
    finally:
        await admin.close()
