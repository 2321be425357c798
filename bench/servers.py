"""The servers that everything runs on: named in the environment, else embedded ones for as long as they are needed."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from confluent_kafka.admin import AdminClient
from rich.console import Console

from bench.errors import BenchError
from streams.local.stack import LocalStack
from streams.store.database import OwnConnection

_VARIABLES = {
    "postgres": "FUNNELPROOF_SOURCE_DSN",
    "kafka": "FUNNELPROOF_KAFKA",
    "connect": "FUNNELPROOF_CONNECT_URL",
}


@dataclass(frozen=True)
class Servers:
    """Addresses; `postgres` is a URL whose role may create databases, on whatever database."""

    postgres: str
    kafka: str
    connect: str | None = None

    def dsn(self, database: str) -> str:
        """Return the URL of another database of the same server."""
        return urlsplit(self.postgres)._replace(path=f"/{database}").geturl()

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """Make a database whose name begins so, give its URL, and drop it at the end."""
        name = unique(name)
        async with connected(self.postgres) as admin:
            await admin.execute(f'create database "{name}" template template0')
        try:
            yield self.dsn(name)
        finally:
            async with connected(self.postgres) as admin:
                await admin.execute(f'drop database "{name}" with (force)')

    def delete_topics(self, part: str) -> None:
        """Delete every topic whose name contains `part`."""
        admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
        names = [name for name in admin.list_topics(timeout=10).topics if part in name]
        for deletion in admin.delete_topics(names).values() if names else ():
            deletion.result()


def unique(name: str) -> str:
    """Return the name with an end of its own: nothing that is there already is touched."""
    return f"{name}_{uuid4().hex[:8]}"


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[OwnConnection]:
    """Give a connection for the length of a block."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def running_servers(folder: Path, console: Console) -> Iterator[Servers]:
    """Give the servers that are named in the environment, or run Postgres and Kafka in `folder` for the block.

    Raises BenchError where only one of them is named in the environment.
    """
    named = {name: os.environ[variable] for name, variable in _VARIABLES.items() if variable in os.environ}
    if missing := {"postgres", "kafka"} - set(named) if named else set():
        raise BenchError(
            f"{' and '.join(sorted(_VARIABLES[name] for name in missing))} must be set too: "
            "name all servers in the environment, or none"
        )
    if named:
        yield Servers(named["postgres"], named["kafka"], named.get("connect"))
        return
    stack = LocalStack(folder, only=["postgres", "kafka"], console=console)
    try:
        with stack.running() as environment:
            yield Servers(stack.postgres.dsn(), environment[_VARIABLES["kafka"]])
    finally:
        stack.erase()


@contextmanager
def running_connect(servers: Servers, folder: Path, console: Console) -> Iterator[Servers]:
    """Give the servers with Kafka Connect: the one that is named in the environment, or an embedded one for the block.

    Raises BenchError where the other servers are named in the environment, and it is not.
    """
    if servers.connect:
        yield servers
        return
    if _VARIABLES["kafka"] in os.environ:
        raise BenchError(
            f"{_VARIABLES['connect']} must be set too: name all servers in the environment, or none"
        )
    with LocalStack(folder, only=["connect"], console=console).running() as environment:
        yield replace(servers, connect=environment[_VARIABLES["connect"]])
