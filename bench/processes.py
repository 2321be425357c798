"""A process that is measured, with all its children: CPU seconds and peak memory."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_STOP_SECONDS = 30
_LOG_LINES = 15
_FAMILY_SECONDS = 1.0  # to look for children means to look at every process of the machine


class Measured:
    """A running program. `log` is the file that holds what it prints.

    CPU is what the processes that run now have used, and those of their children that have ended.
    """

    def __init__(self, process: psutil.Popen, log: Path) -> None:
        self._process = process
        self._log = log
        self._peaks: dict[int, float] = {}
        self._known: list[psutil.Process] = [process]
        self._known_since = float("-inf")

    @property
    def pid(self) -> int:
        """The process that was started."""
        return int(self._process.pid)

    @property
    def runs(self) -> bool:
        """Whether the program has not ended."""
        return bool(self._process.status() != psutil.STATUS_ZOMBIE)

    def cpu(self) -> float:
        """Return user and system seconds so far; also right after the program's end, until it is stopped."""
        return sum(_cpu(process) for process in self._family())

    def peak(self) -> float:
        """Return the peak resident memory in MiB: each process's own peak, summed over those that were seen.

        Cheap enough to be asked often: new children are looked for once a second.
        """
        if time.monotonic() - self._known_since > _FAMILY_SECONDS:
            self._known, self._known_since = self._family(), time.monotonic()
        for process in self._known:
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{process.pid}/status").read_text("ascii", "replace")
                if found := _PEAK.search(status):
                    self._peaks[process.pid] = int(found[1]) / 1024
        return sum(self._peaks.values())

    def last_words(self) -> str:
        """Return the last lines that the program printed."""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:])

    def stop(self) -> None:
        """End the program as its operator would, and by force where it does not listen."""
        family = self._family()
        if self.runs:
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(psutil.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(_STOP_SECONDS)

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self._process, *self._process.children(recursive=True)]
        return []


@contextmanager
def measured(
    command: Sequence[str | Path], environment: Mapping[str, str], log: Path, folder: Path
) -> Iterator[Measured]:
    """Run a program in `folder` for the length of a block, with nothing of this process's FUNNELPROOF_ settings."""
    with log.open("wb") as output:
        process = psutil.Popen(
            [str(part) for part in command],
            env={**outside(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,  # a Ctrl-C is for this process, which then stops the program
        )
    program = Measured(process, log)
    try:
        yield program
    finally:
        program.stop()


def outside() -> dict[str, str]:
    """Return this process's environment without the project's own settings, and with Python as it is by default.

    Where bytecode is not kept, Python compiles again at each start what it was not installed with.
    """
    left_out = "FUNNELPROOF_", "PYTHONDONTWRITEBYTECODE"
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def server_cpu(root: psutil.Process) -> float:
    """Return the CPU seconds of a server and its processes, those that have ended included."""
    return sum(_cpu(process) for process in [root, *root.children(recursive=True)])


def _cpu(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
