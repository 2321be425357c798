"""`funnelproof` in processes of its own, forked from one process that has imported everything.

Hundreds of histories start thousands of commands and workers. An import of the program takes a second, a fork takes
milliseconds; the forked process does what the command does in a shell, with the environment that is given.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import streams.app  # what `worker` imports when it begins
import streams.operations.site  # the same
from streams.cli.main import main

_context = get_context("forkserver")
_context.set_forkserver_preload(["__main__", __name__])
ENDING = 30.0
"""The most seconds between the request to end and a worker's end."""
IMPORTED = (streams.app, streams.operations.site)


@dataclass(frozen=True)
class Done:
    """The exit status and the output of a command."""

    returncode: int
    stdout: str
    stderr: str


class Program:
    """A running command; its output goes into files beside `log`."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._out, self._err = log.with_suffix(".out"), log.with_suffix(".err")
        self._process = _context.Process(
            target=_run, args=(words, dict(environment), str(self._out), str(self._err))
        )
        self._process.start()

    @property
    def runs(self) -> bool:
        """True until the command has ended."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End the command as a crash would."""
        self._process.kill()
        self._process.join()

    async def stop(self) -> None:
        """Ask the command to end; kill the command after ENDING seconds."""
        if self.runs and self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGTERM)
            await asyncio.to_thread(self._process.join, ENDING)
        self.kill()

    async def done(self) -> Done:
        """Wait for the command's end, and return the result."""
        await asyncio.to_thread(self._process.join)
        assert self._process.exitcode is not None
        return Done(self._process.exitcode, *(file.read_text("utf-8") for file in (self._out, self._err)))


def _run(words: Sequence[str], environment: dict[str, str], out: str, err: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, file in ((1, out), (2, err)):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["funnelproof", *words]
    main()
