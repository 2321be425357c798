"""Keeps programs running: a program that ends is started again, and all end together."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from signal import Signals
from types import TracebackType
from typing import NoReturn, Self

import structlog

from streams.errors import FunnelproofError
from streams.supervising.program import Program, Run
from streams.supervising.restarts import Restarts
from streams.supervising.tether import PATIENCE

log = structlog.get_logger(__name__)

_COMPLAINT = "funnelproof: "


class GivenUpError(FunnelproofError):
    """A program has ended and is not started again; the message has the program's own reason."""


class Supervisor:
    """Keeps programs running inside an `async with` block and not longer, even if this process is killed.

    `write` gets each line of each program, after the program's name.
    """

    def __init__(self, write: Callable[[str, str], None], patience: float = PATIENCE) -> None:
        self._write = write
        self._patience = patience
        self._stop = asyncio.Event()
        self._keepers: set[asyncio.Task[None]] = set()
        self._runs: dict[str, Run] = {}
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask all programs to end, wait for their end, and kill what still runs after `patience` seconds."""
        self._stop.set()
        for run in self._runs.values():
            run.terminate()
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=self._patience)
        for name, run in self._runs.items():
            log.warning("does not end and is killed", program=name)
            run.kill()
        await asyncio.gather(*self._keepers)
        self._given_up.cancel()

    def start(self, program: Program) -> None:
        """Start a program, and start the program again whenever the program ends."""
        self._keepers.add(asyncio.create_task(self._keep(program)))

    def kill(self) -> None:
        """Kill the programs, for a user who does not want to wait."""
        for run in self._runs.values():
            run.kill()

    async def watch(self) -> NoReturn:
        """Wait, and raise GivenUpError when a needed program, or a program's first start, is given up."""
        await asyncio.shield(self._given_up)
        raise AssertionError  # the future has an error alone

    async def _keep(self, program: Program) -> None:
        restarts = Restarts()
        await self._pause(program.delay)
        while not self._stop.is_set():
            began = time.monotonic()
            status, lines = await self._run_once(program)
            if self._stop.is_set():
                return
            lived = timedelta(seconds=time.monotonic() - began)
            pause = restarts.after(status, lived)
            if pause is None:
                self._give_up(program, status, lines, is_first=restarts.ends == 1)
                return
            log.warning(
                "ended and starts again",
                program=program.name,
                how=how_ended(status),
                ran_seconds=round(lived.total_seconds(), 1),
                pause_seconds=round(pause.total_seconds(), 1),
            )
            await self._pause(pause.total_seconds())

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _run_once(self, program: Program) -> tuple[int, Sequence[str]]:
        """Run a program to its end; return the exit status, and the last lines of the output."""
        try:
            run = await Run.start(program, lambda line: self._write(program.name, line))
        except OSError as error:  # the machine has no memory or no process left
            return 1, [f"the program could not be started: {error.strerror}"]
        self._runs[program.name] = run
        if self._stop.is_set():
            run.terminate()
        status = await run.ended()
        del self._runs[program.name]
        return status, run.last_lines

    def _give_up(self, program: Program, status: int, lines: Sequence[str], *, is_first: bool) -> None:
        why = f"{program.name} {how_ended(status)}: {reason_of(lines)}"
        if not (program.needed or is_first):
            log.error("given up: mend the reason, then start everything again", reason=why)
        elif not self._given_up.done():
            self._given_up.set_exception(GivenUpError(why))


def how_ended(status: int) -> str:
    """Return an exit status in words; a negative number is a signal."""
    if status >= 0:
        return f"ended with status {status}"
    names = {int(each): each.name for each in Signals}
    return f"was ended by {names.get(-status, f'signal {-status}')}"


def reason_of(lines: Sequence[str]) -> str:
    """Return the last complaint of a command of funnelproof, or the last lines of another program."""
    for place in reversed(range(len(lines))):
        if lines[place].startswith(_COMPLAINT):
            return "\n".join([lines[place].removeprefix(_COMPLAINT), *lines[place + 1 :]])
    return "\n".join(["the end of its log:", *lines])
