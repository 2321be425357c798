"""The demo's worker: an ordinary `funnelproof worker` in a process of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, Self

from streams.errors import FunnelproofError
from streams.settings import PREFIX

_PATIENCE = 15.0
_LAST_LINES = 15


class WorkerEndedError(FunnelproofError):
    """The worker ended before the demo; the message has the end of the worker's log."""


class WorkerProcess:
    """A worker that runs inside an `async with` block and not longer, even if this process is killed.

    `settings` are the worker's environment variables. The worker's log and files go into `folder`.
    """

    def __init__(self, settings: Mapping[str, str], folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._log = folder / "worker.log"

    async def __aenter__(self) -> Self:
        """Start the worker with `settings` alone, without the user's FUNNELPROOF variables and settings file."""
        others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        with self._log.open("ab") as log:
            self._process: Process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "streams.demo.tether",
                stdin=PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=others | dict(self._settings),
                start_new_session=True,  # a Ctrl-C in the terminal is for this process
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the worker in order, or by force after some seconds."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def watch(self) -> NoReturn:
        """Wait for the worker's own end, and raise WorkerEndedError."""
        status = await self._process.wait()
        last = self._log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
        raise WorkerEndedError(
            "\n".join([f"the worker ended with status {status}; the end of its log:", *last])
        )
