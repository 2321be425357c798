"""A server's process, remembered in a file so that any later command can find it, and only it, again."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import psutil

# The boot time that start times are counted from moves a little when the clock is adjusted.
_SAME_START = 2.0
_PAUSE = 0.02  # seconds between two looks at a process that is to end


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process: a pid alone may be a stranger's by now, a pid with its start time may not."""

    pid: int
    started: float  # seconds since the epoch

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return who has this pid now: nobody, also when the process is dead and only waits to be reaped."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if _runs(process):
                return cls(pid, process.create_time())
        return None

    def alive(self) -> bool:
        """Whether this very process still runs."""
        now = Identity.of(self.pid)
        return now is not None and abs(now.started - self.started) < _SAME_START


@dataclass(frozen=True, slots=True)
class User:
    """The unprivileged user that a server runs as when this process is root."""

    uid: int
    gid: int


class UserArguments(TypedDict, total=False):
    """What `subprocess` calls them."""

    user: int
    group: int
    extra_groups: list[int]


def as_user(user: User | None) -> UserArguments:
    """Return the arguments with which `subprocess` runs a program as that user."""
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server: command, environment, folder, and its user where that is another one."""

    command: Sequence[str | Path]
    environment: Mapping[str, str]
    folder: Path
    user: User | None = None


class ServerProcess:
    """At most one process, detached from this one; `record` says which, `log` has what it printed."""

    def __init__(self, record: Path, log: Path) -> None:
        self.log = log
        self._record = record
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The pid of the running process."""
        identity = self._identity()
        return identity.pid if identity else None

    def spawn(self, launch: Launch) -> None:
        """Start the process in a session of its own, so that a Ctrl-C in the terminal does not reach it."""
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(  # noqa: S603 - the servers' own binaries, no shell
                launch.command,
                env=launch.environment,
                cwd=launch.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_user(launch.user),
            )
        identity = Identity.of(self._child.pid)
        beside = self._record.with_suffix(".new")
        beside.write_text(json.dumps(asdict(identity) if identity else None), "utf-8")
        beside.replace(self._record)

    def stop(self, request: signal.Signals, patience: float) -> None:
        """Ask the process to end, and after `patience` seconds make it; does nothing if it does not run."""
        identity = self._identity()
        if identity:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(identity.pid).send_signal(request)
            if not self._ended(patience):
                self.kill()
        self._record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the process and its children as a crash would: SIGKILL, and nothing is tidied up."""
        identity = self._identity()
        if identity:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(identity.pid)
                kill_all([process, *process.children(recursive=True)])
            self._ended(patience=10)

    def last_lines(self, count: int = 15) -> str:
        """Return the end of what the process has printed since `spawn`."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, 2) - 16_384))
            return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-count:])

    def _identity(self) -> Identity | None:
        if self._child:
            self._child.poll()  # reaps it
        try:
            identity = Identity(**json.loads(self._record.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return identity if identity.alive() else None

    def _ended(self, patience: float) -> bool:
        return _eventually(lambda: self._identity() is None, patience)


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """Send SIGKILL to each, in this order, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _eventually(lambda: not any(map(_runs, processes)), patience=10)


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        # The first thread of a killed process can be dead while others still hold its ports and files.
        return bool(
            process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
        )
    return False


def _eventually(condition: Callable[[], bool], patience: float) -> bool:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
