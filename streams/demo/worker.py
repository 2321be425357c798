"""The demo's worker: the same `funnelproof worker` that an operator starts, in a process of its own."""

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
    """The worker ended before the demo did; the message has the end of its log."""


class WorkerProcess:
    """A worker that runs inside an `async with` block, and not longer even if this process is killed.

    `settings` are the variables that configure it; its log and what it keeps go into `folder`.
    """

    def __init__(self, settings: Mapping[str, str], folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._log = folder / "worker.log"

    async def __aenter__(self) -> Self:
        """Start it, with these settings alone: no variables and no settings file of the user."""
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
        """Stop it: in order, or by force when it takes too long."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def watch(self) -> NoReturn:
        """Wait until it ends by itself, and raise WorkerEndedError then."""
        status = await self._process.wait()
        last = self._log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
        raise WorkerEndedError(
            "\n".join([f"the worker ended with status {status}; the end of its log:", *last])
        )
