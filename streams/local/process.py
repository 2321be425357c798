"""A server's process, remembered in a file: any later command finds exactly that process again."""

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

# Seconds by which a process's start time may differ: the boot time, from which start times are counted,
# moves a little when the clock is adjusted.
_SAME_START = 2.0
_PAUSE = 0.02  # seconds between two looks at a process that is to end


@dataclass(frozen=True, slots=True)
class Identity:
    """A process's pid and start time: a pid alone may belong to a stranger by now."""

    pid: int
    started: float  # seconds since the epoch

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return the identity of the process with this pid; None without a process, and for a dead (zombie) one."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if _runs(process):
                return cls(pid, process.create_time())
        return None

    def alive(self) -> bool:
        """Return true while this very process runs."""
        now = Identity.of(self.pid)
        return now is not None and abs(now.started - self.started) < _SAME_START


@dataclass(frozen=True, slots=True)
class User:
    """The unprivileged user for a server that root starts."""

    uid: int
    gid: int


class UserArguments(TypedDict, total=False):
    """The names that `subprocess` gives to a user's ids."""

    user: int
    group: int
    extra_groups: list[int]


def as_user(user: User | None) -> UserArguments:
    """Return the arguments with which `subprocess` runs a program as `user`."""
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}


@dataclass(frozen=True, slots=True)
class Launch:
    """The start of a server: command, environment and folder; `user` is None for the present user."""

    command: Sequence[str | Path]
    environment: Mapping[str, str]
    folder: Path
    user: User | None = None


class ServerProcess:
    """A server's process, detached from this process; at most one runs at a time.

    The file `record` keeps the process's identity. The file `log` collects the process's output.
    """

    def __init__(self, record: Path, log: Path) -> None:
        self.log = log
        self._record = record
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The pid of the running process, or None."""
        identity = self._identity()
        return identity.pid if identity else None

    def spawn(self, launch: Launch) -> None:
        """Start the process in a session of its own, out of reach of a Ctrl-C in the terminal."""
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
        """Ask the process to end, and kill the process after `patience` seconds. Does nothing without a process."""
        identity = self._identity()
        if identity:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(identity.pid).send_signal(request)
            if not self._ended(patience):
                self.kill()
        self._record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the process and its children like a crash: SIGKILL, without any tidying up."""
        identity = self._identity()
        if identity:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(identity.pid)
                kill_all([process, *process.children(recursive=True)])
            self._ended(patience=10)

    def last_lines(self, count: int = 15) -> str:
        """Return the last lines of the process's output since `spawn`."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, 2) - 16_384))
            return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-count:])

    def _identity(self) -> Identity | None:
        if self._child:
            self._child.poll()  # reaps a dead child
        try:
            identity = Identity(**json.loads(self._record.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return identity if identity.alive() else None

    def _ended(self, patience: float) -> bool:
        return _eventually(lambda: self._identity() is None, patience)


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """Send SIGKILL to the processes, in this order, and wait for their end."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _eventually(lambda: not any(map(_runs, processes)), patience=10)


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        # A killed process's first thread can be dead while another thread still holds ports and files.
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
