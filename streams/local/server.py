"""What the servers have in common: a folder, a process, and a start that ends in health or an error."""

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
    """A server of the embedded stack did not start; the message has the end of its log."""


class Server(ABC):
    """One server whose data, ports, log and process record lie in `folder`.

    Made anew from the same folder it is the same server: any process may stop what another has started.
    """

    name: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._process = ServerProcess(self.folder / "process.json", self.log)

    @property
    def log(self) -> Path:
        """The file that the server prints to."""
        return self.folder / "log"

    @property
    def ports_file(self) -> Path:
        """The file that keeps the ports; it exists once the server has been started for the first time."""
        return self.folder / "ports.json"

    @property
    def pid(self) -> int | None:
        """The pid of the running server, none if it does not run."""
        return self._process.pid

    @property
    @abstractmethod
    def address(self) -> str:
        """Where the server listens, as its clients write it (known once `ports_file` exists)."""

    @abstractmethod
    def healthy(self) -> bool:
        """Whether the server answers a request of its own protocol."""

    @abstractmethod
    def _prepare(self) -> Launch:
        """Write what the server needs to start, and say how."""

    def start(self, timeout: float = 120) -> bool:
        """Start the server and wait until it is healthy; return whether it did not run before.

        Raises StartError when it ends or is not healthy within `timeout` seconds.
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
        """Stop the server in order, after `patience` seconds by force; does nothing if it does not run."""
        self._process.stop(self._stop_signal, patience)

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL); `start` brings it back with its data."""
        self._process.kill()

    def erase(self) -> None:
        """Stop the server and delete everything it has written."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _evidence(self) -> str:
        return f"; the end of {self.log}:\n{self._process.last_lines()}"
