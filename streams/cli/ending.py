"""Commands that run until a signal ends the command."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any


def until_told_to_end(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until SIGTERM or SIGINT, which cancel it; then return. Raises the errors of `work`."""

    async def run() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())
