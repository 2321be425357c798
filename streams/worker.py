"""The owner of a worker's partitions: takes over assigned partitions, and flushes revoked partitions."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

import structlog

from streams.fold.owned import OwnedPartition
from streams.running import Observer, Running, open_running
from streams.settings import Settings
from streams.store.keep_trying import PASSING_ERRORS, Trouble, reason, try_until_done

RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Worker:
    """A worker process. The first assignment of partitions opens the worker's parts; before, `running` is None.

    `began` (of `time.monotonic`) is the time of the worker's making. `trouble` has the reason why partitions cannot be
    taken over now. `is_stopping` is True once the worker takes over no more partitions.
    """

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self.settings = settings
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.began = time.monotonic()
        self.trouble = Trouble("partitions could not be taken over")
        self.is_stopping = False
        self.running: Running | None = None
        self._observer = observer
        self._opened = asyncio.Event()
        self._parts = AsyncExitStack()

    async def opened(self) -> Running:
        """Wait for the first assignment, and return the parts."""
        await self._opened.wait()
        assert self.running is not None  # noqa: S101 - set before the event
        return self.running

    async def on_assigned(self, partitions: set[int]) -> dict[int, int]:
        """Take the partitions over, see Processor; try again until every server answers."""

        async def take_over() -> dict[int, int]:
            running = await self._open()
            before = running.processor.partitions
            starts = await running.processor.on_assigned(partitions)
            _tell_takeover(running.processor.owned, before)
            return starts

        return await try_until_done(take_over, self.trouble, RETRY_SECONDS)

    async def on_revoked(self, partitions: set[int]) -> None:
        """Flush. If the flush fails, the next owner of the partitions replays the lost changes."""
        del partitions  # the eager protocol revokes every partition
        if self.running is not None:
            try:
                await self.running.processor.on_revoked(stopping=self.is_stopping)
            except PASSING_ERRORS as error:
                log.warning("the last flush failed; the next owner will replay", error=reason(error))

    async def close(self) -> None:
        """Close the parts, after the last flush and after the end of every loop."""
        await self._parts.aclose()

    async def _open(self) -> Running:
        if self.running is None:
            parts = open_running(self.settings, self.name, self._observer)
            self.running = await self._parts.enter_async_context(parts)
            self._opened.set()
        return self.running


def _tell_takeover(owned: Mapping[int, OwnedPartition], before: set[int]) -> None:
    """Log the new partitions: the offset to read from, above 0 if a checkpoint was read, and the replay's end."""
    new = sorted(owned.keys() - before)
    log.info(
        "took partitions over",
        partitions=new,
        from_offsets=[owned[number].state.position for number in new],
        to_ends=[owned[number].end for number in new],
        from_checkpoints=sum(owned[number].state.position > 0 for number in new),
        kept=sorted(owned.keys() & before),
        given_up=sorted(before - owned.keys()),
    )
