"""The demo's programs, each in a process of its own: ordinary commands of funnelproof, and an Alertmanager."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, Self

from streams.errors import FunnelproofError
from streams.settings import PREFIX

_PATIENCE = 15.0
_LAST_LINES = 15


class ProgramEndedError(FunnelproofError):
    """A program ended before the demo; the message has the end of the program's log."""


class DemoProcess:
    """A program that runs inside an `async with` block and not longer, even if this process is killed.

    `name` is for people, and for the log `<name>.log` in `folder`. `command` is a command of funnelproof, or another
    program after `--`. `settings` are the FUNNELPROOF variables.
    """

    def __init__(self, name: str, command: Sequence[str], settings: Mapping[str, str], folder: Path) -> None:
        self._name = name
        self._command = command
        self._settings = settings
        self._folder = folder
        self._log = folder / f"{name}.log"

    async def __aenter__(self) -> Self:
        """Start the program with `settings` alone, without the user's FUNNELPROOF variables and settings file."""
        others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        with self._log.open("ab") as log:
            self._process: Process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "streams.demo.tether",
                *self._command,
                stdin=PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=others | dict(self._settings),
                start_new_session=True,  # a Ctrl-C in the terminal is for this process
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the program in order, or by force after some seconds."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _PATIENCE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def watch(self) -> NoReturn:
        """Wait for the program's own end, and raise ProgramEndedError."""
        status = await self._process.wait()
        last = self._log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
        raise ProgramEndedError(
            "\n".join([f"{self._name} ended with status {status}; the end of its log:", *last])
        )
