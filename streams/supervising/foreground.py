"""Programs in the foreground of a terminal or of a service manager, until a signal ends them all."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from streams.supervising.program import Program
from streams.supervising.supervisor import Supervisor

log = structlog.get_logger(__name__)


def keep_running(programs: Sequence[Program], write: Callable[[str, str], None]) -> None:
    """Keep the programs running until SIGINT, SIGTERM or SIGHUP; then end all of them, and return.

    A second SIGINT kills them at once. Raises GivenUpError as Supervisor does.
    """
    asyncio.run(_keep_running(programs, write))


async def _keep_running(programs: Sequence[Program], write: Callable[[str, str], None]) -> None:
    async with Supervisor(write) as supervisor:
        watching = asyncio.create_task(supervisor.watch())
        _end_with_signals(watching, supervisor)
        for program in programs:
            supervisor.start(program)
        with suppress(asyncio.CancelledError):
            await watching


def _end_with_signals(watching: "asyncio.Task[object]", supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    asked: set[signal.Signals] = set()

    def end(number: signal.Signals) -> None:
        if not asked:
            log.info("ends all programs", signal=number.name)
        elif number in asked and number == signal.SIGINT:
            supervisor.kill()
        asked.add(number)
        watching.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, end, number)
