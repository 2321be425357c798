"""The embedded stack: PostgreSQL, Kafka and Kafka Connect in a data folder, started and stopped together."""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from rich.console import Console

from streams.errors import FunnelproofError
from streams.local import folders
from streams.local.connect import Connect
from streams.local.jars import JarCache
from streams.local.kafka import Kafka
from streams.local.postgres import Postgres
from streams.local.server import Server
from streams.resources import sql

CRM_DATABASE = "crm"
ALL = ("postgres", "kafka", "connect")

Environment = Mapping[str, str]  # the variables that point the other commands at the stack


class StackError(FunnelproofError):
    """The embedded stack could not be brought up; the message names the server and the reason."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The line of `local status` about a server."""

    name: str
    pid: int | None  # None: not running
    address: str | None  # None: never started
    healthy: bool
    log: Path


class LocalStack:
    """The servers of a data folder; `only` names the wanted servers, in any order."""

    def __init__(self, data_dir: Path, only: Collection[str] = ALL, console: Console | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self._console = console or Console(stderr=True)
        jars = JarCache(console=self._console)
        self.postgres = Postgres(self.data_dir / "postgres")
        self.kafka = Kafka(self.data_dir / "kafka", jars)
        self.connect = Connect(self.data_dir / "connect", jars, lambda: self.kafka.address)
        self._jars = jars
        self._only = only

    @property
    def servers(self) -> list[Server]:
        """The wanted servers in the order of their start: Connect needs Kafka."""
        return [server for server in (self.postgres, self.kafka, self.connect) if server.name in self._only]

    def environment(self) -> Environment:
        """Return the settings that point every other command at the stack.

        The stack must have been started before, at least once.
        """
        environment = {}
        if self.postgres in self.servers:
            environment["FUNNELPROOF_SOURCE_DSN"] = self.postgres.dsn(CRM_DATABASE)
        if self.kafka in self.servers:
            environment["FUNNELPROOF_KAFKA"] = self.kafka.address
        if self.connect in self.servers:
            environment["FUNNELPROOF_CONNECT_URL"] = self.connect.address
        return environment

    def up(self) -> list[Server]:
        """Start the servers that do not run, create the CRM's tables, and return the started servers.

        The servers outlive this process. Raises FunnelproofError if a server does not start; every server
        that this call started is stopped again before the error is raised.
        """
        with self._locked():
            before = [server for server in self.servers if server.pid]
            try:
                self._start()
            except BaseException:
                self._stop([server for server in self.servers if server not in before])
                raise
            return [server for server in self.servers if server not in before]

    def down(self, servers: Collection[Server] | None = None) -> None:
        """Stop the running servers among `servers`; None means every wanted server."""
        with self._locked():
            self._stop(self.servers if servers is None else servers)

    def status(self) -> list[ServerStatus]:
        """Return the state of every wanted server."""
        return [_status(server) for server in self.servers]

    def erase(self) -> None:
        """Stop the servers, and delete their data."""
        with self._locked():
            for server in reversed(self.servers):
                server.erase()

    @contextmanager
    def running(self) -> Iterator[Environment]:
        """Keep the stack up for the length of a `with` block and not longer, even if this process is killed.

        A supervisor process starts the servers. The supervisor stops the servers of its own start as soon as this
        process leaves the block or dies. Raises StackError with the supervisor's message if a server does not start.
        """
        supervisor = subprocess.Popen(  # noqa: S603 - this program
            [sys.executable, "-m", "streams.local.supervisor", self.data_dir, *self._only],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if self._console.quiet else None,
            start_new_session=True,  # a Ctrl-C is for this process, which then leaves the block
        )
        hold, answers = cast("IO[bytes]", supervisor.stdin), cast("IO[bytes]", supervisor.stdout)
        try:
            answer = json.loads(
                answers.readline() or b'{"error": "the supervisor of the embedded stack was killed"}'
            )
            if "error" in answer:
                raise StackError(answer["error"])
            yield answer["environment"]
        finally:
            hold.close()
            supervisor.wait()
            answers.close()

    def _start(self) -> None:
        if any(server.pid is None for server in (self.kafka, self.connect) if server.name in self._only):
            self._jars.class_path()
        with ThreadPoolExecutor() as pool:
            jobs = [pool.submit(job) for job in (self._start_database, self._start_kafka)]
            # Inside the `with`, so an interrupted start comes to rest before a server is stopped.
            for job in jobs:
                job.result()

    def _start_database(self) -> None:
        if self.postgres in self.servers:
            self._start_one(self.postgres)
            self.postgres.create_database(CRM_DATABASE)
            self.postgres.execute(sql("local/crm"), CRM_DATABASE)

    def _start_kafka(self) -> None:
        for server in (self.kafka, self.connect):  # Connect gives up without a broker
            if server in self.servers:
                self._start_one(server)

    def _start_one(self, server: Server) -> None:
        begin = time.monotonic()
        if server.start():
            self._console.print(
                f"{server.name}: started in {time.monotonic() - begin:.1f} s", highlight=False
            )

    def _stop(self, servers: Collection[Server]) -> None:
        for server in reversed(self.servers):
            if server in servers:
                server.stop()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let a single process work on the stack: a second `up` waits for the first, and finds every server up."""
        with (folders.make(self.data_dir) / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _status(server: Server) -> ServerStatus:
    pid = server.pid
    return ServerStatus(
        name=server.name,
        pid=pid,
        address=server.address if server.ports_file.exists() else None,
        healthy=pid is not None and server.healthy(),
        log=server.log,
    )
