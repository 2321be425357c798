"""The replay after a takeover, told in a worker's log: how far, how fast, how long still, and the end."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import structlog

from streams.fold.owned import OwnedPartition
from streams.worker import Worker

LOOK_EVERY = 1.0
"""Seconds between two looks at the positions."""
TELL_EVERY = 5.0
"""Seconds between two lines on a replay."""

log = structlog.get_logger(__name__)


async def tell_replay(worker: Worker) -> NoReturn:
    """Log every replay of `worker`; never returns."""
    running = await worker.opened()
    replay = Replay()
    while True:
        if line := replay.look(running.processor.owned.values(), time.monotonic()):
            log.info(line.event, **line.values)
        await asyncio.sleep(LOOK_EVERY)


@dataclass(frozen=True)
class ReplayLine:
    """A line of the log."""

    event: str
    values: Mapping[str, float]


class Replay:
    """Follows the partitions that publish nothing yet. A further partition begins the figures anew."""

    def __init__(self) -> None:
        self._left = self._total = 0
        self._known: set[int] = set()
        self._began = self._told = 0.0

    def look(self, owned: Iterable[OwnedPartition], now: float) -> ReplayLine | None:
        """Return the line to log at `now` (of `time.monotonic`), None if there is none to log."""
        replayed = [each for each in owned if not each.active]
        left = sum(each.end - each.state.position for each in replayed)
        known, self._known = self._known, {id(each) for each in replayed}
        if self._known - known:
            self._began = self._told = now
            self._total = left
        ended = bool(self._left) and not left
        self._left = left
        seconds = now - self._began
        if ended:
            return ReplayLine("caught up", {"records": self._total, "seconds": round(seconds, 1)})
        if not left or now - self._told < TELL_EVERY:
            return None
        self._told = now
        rate = (self._total - left) / seconds
        values = {
            "partitions": len(replayed),
            "records": self._total - left,
            "of": self._total,
            "per_second": round(rate),
        }
        return ReplayLine("replaying", values | ({"seconds_left": round(left / rate)} if rate else {}))
