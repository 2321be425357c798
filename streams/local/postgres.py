"""PostgreSQL 18 in a folder: initialised on first start, loopback only, password, logical decoding."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import psutil

from streams.errors import PreconditionError
from streams.local import ports
from streams.local.postgres_home import home_in, installed_programs, programs, server_user
from streams.local.process import Launch, as_user, kill_all
from streams.local.server import Server, StartError

SUPERUSER = "postgres"
SETTINGS: Mapping[str, str] = {
    "wal_level": "logical",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "max_connections": "200",
    "max_prepared_transactions": "20",
}


class Postgres(Server):
    """A PostgreSQL server; `settings`, for example `{"fsync": "off"}`, add to `SETTINGS` or replace them."""

    name = "postgres"
    _stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": sessions are ended, data is written

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self._settings = {**SETTINGS, **(settings or {})}

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{ports.HOST}:{ports.read(self.ports_file)[0]}"

    def dsn(self, database: str = SUPERUSER) -> str:
        """Return the superuser's URL of a database, password included."""
        return f"postgresql://{SUPERUSER}:{self._password}@{self.address}/{quote(database)}"

    def healthy(self) -> bool:
        """Return true if the server answers `select 1`."""
        with suppress(PreconditionError, FileNotFoundError, IndexError):
            return self.execute("select 1") == "1"
        return False

    def execute(self, script: str, database: str = SUPERUSER) -> str:
        """Run SQL statements as superuser with psql, and return the printed rows.

        Each statement commits by itself. Raises PreconditionError with the server's message if a statement fails.
        """
        done = subprocess.run(  # noqa: S603 - the installed psql
            [installed_programs() / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"],
            env={
                "PGHOST": ports.HOST,
                "PGPORT": self.address.partition(":")[2],
                "PGUSER": SUPERUSER,
                "PGPASSWORD": self._password,
                "PGCONNECT_TIMEOUT": "5",
                "PGCLIENTENCODING": "UTF8",
            },
            input=script,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise PreconditionError(f"PostgreSQL at {self.address} refused: {done.stderr.strip()}")
        return done.stdout.strip()

    def create_database(self, name: str) -> None:
        """Create the database if it is missing."""
        if not self.execute(f"select 1 from pg_database where datname = '{name}'"):  # noqa: S608 - the caller's own name
            self.execute(f'create database "{name}"')

    def erase(self) -> None:
        """Stop the server, and delete all files of the server."""
        self.stop()
        home = self.folder / "home"
        if home.is_symlink():
            shutil.rmtree(home.resolve(), ignore_errors=True)
        super().erase()

    @property
    def _password(self) -> str:
        return (self.folder / "home" / "password").read_text("utf-8")

    def _prepare(self) -> Launch:
        user = server_user()
        home = home_in(self.folder, user)
        binaries = programs(home, user)
        environment = {"PATH": os.defpath, "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"}
        data = home / "data"
        if not data.exists():
            self._initialise(Launch([binaries / "initdb"], environment, home, user))
        _end_leftovers(data)
        (port,) = ports.claim(self.ports_file, 1)
        settings = {
            "listen_addresses": ports.HOST,
            "port": str(port),
            "unix_socket_directories": "",  # a socket's path could be too long, and would need the password too
            **self._settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return Launch([binaries / "postgres", "-D", data, *options], environment, home, user)

    def _initialise(self, launch: Launch) -> None:
        """Make the data folder, complete or not at all."""
        home, user = launch.folder, launch.user
        unfinished = home / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = home / "password"
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(18), "utf-8")
        if user:
            os.chown(password, user.uid, user.gid)
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(  # noqa: S603 - the installed PostgreSQL
            [*launch.command, "-D", unfinished, "-U", SUPERUSER, f"--pwfile={password}", *options],
            env=launch.environment,
            cwd=home,
            **as_user(user),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise StartError(f"initdb failed in {home}: {done.stderr.strip()}")
        unfinished.rename(home / "data")


def _end_leftovers(data: Path) -> None:
    """After a crash, end the processes that still run in the data folder, and remove the server's lock file.

    The pid in the lock file may belong to a stranger by now.
    """
    lock = data / "postmaster.pid"
    if lock.exists():
        kill_all([process for process in psutil.process_iter(["name"]) if _works_in(process, data)])
        lock.unlink(missing_ok=True)


def _works_in(process: psutil.Process, data: Path) -> bool:
    with suppress(psutil.Error):
        return process.info["name"] == "postgres" and Path(process.cwd()) == data
    return False
