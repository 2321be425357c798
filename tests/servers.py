"""The real servers that tests run on: named in the environment, else in containers, else embedded."""

import os
import shutil
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import psutil
import pytest
from docker.errors import DockerException
from rich.console import Console

from streams.demo.folder import temporary_folder
from streams.local.stack import LocalStack
from tests.servers_docker import ContainerServers, docker_answers

MEMORY = Path("/dev/shm")  # noqa: S108 - the folders there are made by mkdtemp
ROOM = 8 * 2**30
"""The bytes that must be free for servers to have their files in memory."""
POSTGRES, KAFKA, CONNECT = (f"FUNNELPROOF_TEST_{name}" for name in ("POSTGRES", "KAFKA", "CONNECT"))


class Servers(Protocol):
    """One server of each kind a session; each is started when it is first asked for."""

    @property
    def postgres_dsn(self) -> str:
        """The address of a superuser's database in which databases may be made."""

    @property
    def kafka(self) -> str:
        """The bootstrap servers."""

    @property
    def connect_url(self) -> str:
        """Kafka Connect with Debezium; reaches Postgres and Kafka at the addresses given here."""


class NamedServers:
    """Servers that run anyway."""

    @property
    def postgres_dsn(self) -> str:
        return _named(POSTGRES)

    @property
    def kafka(self) -> str:
        return _named(KAFKA)

    @property
    def connect_url(self) -> str:
        return _named(CONNECT)


class EmbeddedServers:
    """The stack of `funnelproof local`, for as long as this process lives: its supervisors see to that.

    Postgres does not wait for the disk. A client proves its password in one round of hashing instead of 4,096: tests
    make thousands of sessions.
    """

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._running = running
        self.stack = LocalStack(folder, console=Console(quiet=True))

    @cached_property
    def postgres_dsn(self) -> str:
        self._start("postgres")
        postgres = self.stack.postgres
        dsn = postgres.dsn()
        # A killed server loses nothing that the operating system's page cache holds; only a machine's end would.
        for setting in ("fsync = off", "full_page_writes = off", "scram_iterations = 1"):
            postgres.execute(f"alter system set {setting}")
        postgres.execute("select pg_reload_conf()")
        postgres.execute(f"alter role {urlsplit(dsn).username} password '{urlsplit(dsn).password}'")
        return dsn

    @cached_property
    def kafka(self) -> str:
        return self._start("kafka")["FUNNELPROOF_KAFKA"]

    @cached_property
    def connect_url(self) -> str:
        assert self.kafka
        return self._start("connect")["FUNNELPROOF_CONNECT_URL"]

    def _start(self, name: str) -> dict[str, str]:
        part = LocalStack(self.stack.data_dir, only=[name], console=Console(quiet=True))
        return dict(self._running.enter_context(part.running()))


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Choose where the servers come from, and stop at the end what was started."""
    with ExitStack() as running:
        if any(name in os.environ for name in (POSTGRES, KAFKA, CONNECT)):
            yield NamedServers()
        elif docker_answers() and (containers := _containers(running)):
            yield containers
        else:
            yield running.enter_context(embedded_servers())


@contextmanager
def embedded_servers() -> Iterator[EmbeddedServers]:
    """Have servers that may be killed; leave nothing of them behind."""
    with temporary_folder(in_memory()) as folder, ExitStack() as running:
        servers = EmbeddedServers(folder, running)
        running.callback(servers.stack.erase)  # after they were stopped
        try:
            yield servers
        finally:  # a stop in order takes seconds, and nobody needs the files
            for server in (servers.stack.connect, servers.stack.kafka):
                server.kill()


def in_memory() -> Path | None:
    """Return the folder whose files lie in memory; None where memory is short.

    A run of all tests makes and drops hundreds of databases. Each has six hundred files, and a file
    system on a disk takes longer for the files than PostgreSQL takes for all the rest.
    """
    free = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) if MEMORY.is_dir() else 0
    return MEMORY if free > ROOM else None


@asynccontextmanager
async def new_database(admin_dsn: str, template: str, name: str | None = None) -> AsyncIterator[str]:
    """Clone `template`, give the clone's address, and drop it at the end.

    A server that does not wait for its disk copies the template's files. Otherwise every page goes through the server's
    log, and every slot of the server reads the log.
    """
    name = name or f"test_{uuid4().hex}"
    async with _administrator(admin_dsn) as admin:
        strategy = "wal_log" if await admin.fetchval("show fsync") == "on" else "file_copy"
        await admin.execute(f"create database {name} template {template} strategy {strategy}")
    try:
        yield urlsplit(admin_dsn)._replace(path=f"/{name}").geturl()
    finally:
        async with _administrator(admin_dsn) as admin:
            await admin.execute(f"drop database {name} with (force)")


@asynccontextmanager
async def _administrator(admin_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Have a short session of an administrator: the server may be killed while a database is used."""
    admin = await asyncpg.connect(admin_dsn)
    try:
        yield admin
    finally:
        await admin.close()


def _containers(running: ExitStack) -> ContainerServers | None:
    try:
        return ContainerServers(running)
    except (DockerException, OSError) as error:
        warnings.warn(
            f"Docker answers but starts no containers, embedded servers are used: {error}", stacklevel=1
        )
        return None


def _named(variable: str) -> str:
    if address := os.environ.get(variable):
        return address
    pytest.fail(f"{variable} is not set, though another of its kind is: name all servers, or none")
