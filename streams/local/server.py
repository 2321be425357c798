"""The common part of the servers: a folder, a process, and a start that ends in health or in an error."""

import shutil
import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from streams.errors import FunnelproofError
from streams.local import folders
from streams.local.process import Launch, ServerProcess

_PAUSE = 0.05  # seconds between two health checks of a server that starts


class StartError(FunnelproofError):
    """A server of the embedded stack did not start; the message has the end of the server's log."""


class Server(ABC):
    """A server whose data, ports, log and process record lie in `folder`.

    Two objects with an equal folder stand for a single server: one process may stop a server that another started.
    """

    name: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._process = ServerProcess(self.folder / "process.json", self.log)

    @property
    def log(self) -> Path:
        """The file with the server's output."""
        return self.folder / "log"

    @property
    def ports_file(self) -> Path:
        """The file that keeps the ports; the first start makes the file."""
        return self.folder / "ports.json"

    @property
    def pid(self) -> int | None:
        """The pid of the running server, or None."""
        return self._process.pid

    @property
    @abstractmethod
    def address(self) -> str:
        """The server's address in the form for clients; known once `ports_file` exists."""

    @abstractmethod
    def healthy(self) -> bool:
        """Return true if the server answers a request of its own protocol."""

    @abstractmethod
    def _prepare(self) -> Launch:
        """Write the files that a start needs, and return the launch."""

    def start(self, timeout: float = 120) -> bool:
        """Start the server, and wait until the server is healthy.

        Returns false if the server ran before. Raises StartError if the server ends, or is not healthy within
        `timeout` seconds.
        """
        spawned = False
        deadline = time.monotonic() + timeout
        while not (self.pid and self.healthy()):
            if self.pid is None:
                if spawned:
                    raise StartError(f"{self.name} ended while it started{self._evidence()}")
                folders.make(self.folder)
                self._process.spawn(self._prepare())
                spawned = True
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} does not answer after {timeout:.0f} s{self._evidence()}")
            time.sleep(_PAUSE)
        return spawned

    def stop(self, patience: float = 20) -> None:
        """Stop the server in order, and by force after `patience` seconds. Does nothing without a process."""
        self._process.stop(self._stop_signal, patience)

    def kill(self) -> None:
        """End the server like a crash (SIGKILL); the data stays for the next `start`."""
        self._process.kill()

    def erase(self) -> None:
        """Stop the server, and delete all files of the server."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _evidence(self) -> str:
        return f"; the end of {self.log}:\n{self._process.last_lines()}"
