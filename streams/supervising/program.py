"""A program, and one run of the program as a process."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streams.supervising.lines import read_lines
from streams.supervising.tether import OTHER

_KEPT_LINES = 15
_DRAIN_SECONDS = 1.0
"""Seconds for which the last lines of an ended program are waited for; another process may hold the pipe open."""


@dataclass(frozen=True)
class Program:
    """A command of funnelproof, or another program after `--`, with the environment and the working folder.

    `name` is for people. A `needed` program takes the others along when the program is given up. The first start is
    `delay` seconds after the others'.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None = None
    needed: bool = True
    delay: float = 0.0


class Run:
    """A running process of a program. The process ends when this process ends, in any way."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        lines: asyncio.Task[None],
        last: deque[str],
        *,
        has_children: bool,
    ) -> None:
        self._process = process
        self._lines = lines
        self._last = last
        self._has_children = has_children

    @classmethod
    async def start(cls, program: Program, write: Callable[[str], None]) -> "Run":
        """Start a process of the program; each line of the process's output goes to `write`.

        The process leads a process group of its own: a Ctrl-C in the terminal is for this process alone. The system
        wakes a stopped process of the group when this process has ended, so that the tether can do its work.
        """
        output, given = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # a file in the working folder must not take the place of a library
                "-m",
                "streams.supervising.tether",
                *program.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=given,
                stderr=given,
                cwd=program.folder,
                env=program.environment,
                process_group=0,
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(given)
        last: deque[str] = deque(maxlen=_KEPT_LINES)
        lines = asyncio.create_task(_pass_on(output, last, write))
        return cls(process, lines, last, has_children=program.command[0] == OTHER)

    @property
    def last_lines(self) -> list[str]:
        """The last lines of the process's output."""
        return list(self._last)

    async def ended(self) -> int:
        """Wait for the end of the process and of its output; return the exit status, negative for a signal."""
        status = await self._process.wait()
        if self._has_children:
            self._kill_group()
        await asyncio.wait([self._lines], timeout=_DRAIN_SECONDS)
        self._lines.cancel()
        return status

    def terminate(self) -> None:
        """Ask the process to end in order. A process that was stopped (SIGSTOP) goes on, and ends."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process and the other processes of its group at once."""
        if self._process.returncode is None:
            self._kill_group()

    def _kill_group(self) -> None:
        with suppress(
            ProcessLookupError, PermissionError
        ):  # macOS refuses the signal for a group of dead processes
            os.killpg(self._process.pid, signal.SIGKILL)


async def _pass_on(output: int, last: deque[str], write: Callable[[str], None]) -> None:
    reader = asyncio.StreamReader()
    with os.fdopen(output, "rb", 0) as pipe:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            async for line in read_lines(reader):
                last.append(line)
                write(line)
        finally:
            transport.close()
