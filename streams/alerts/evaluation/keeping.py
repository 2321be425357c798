"""Memories and expectations, made after the decisions of a look are committed, so that no alert waits.

A process that is killed between both has a cursor without a memory: the next process learns from the runs.
"""

import asyncio
from collections.abc import Mapping

from streams.alerts.evaluation import memory
from streams.alerts.evaluation.expected import note_expectations
from streams.alerts.evaluation.watch import Watch
from streams.alerts.evaluation.watches import AnyWatch, Key, Wanted
from streams.store.database import Connection

Watches = Mapping[Key, tuple[Wanted, AnyWatch]]


class Keeping:
    """Knows which watches have a memory to keep, and which expectations are kept."""

    def __init__(self) -> None:
        self._closed: set[Key] = set()
        self._noted: dict[Key, object] = {}

    def forget(self) -> None:
        """Forget everything that another evaluator may know better."""
        self._closed.clear()
        self._noted.clear()

    def close(self, key: Key) -> None:
        """Note that a window of a watch has closed: the memory before is of no use."""
        self._closed.add(key)

    def is_due(self, watches: Watches) -> bool:
        """Return True if there is something to make."""
        return bool(self._closed) or any(
            isinstance(watch, Watch) and (watch.unprepared or self._is_news(key, watch))
            for key, (_, watch) in watches.items()
        )

    async def make(self, connection: Connection, watches: Watches) -> None:
        """Keep the memory of closed windows, make the expectations of the open windows, and keep these for the page."""
        for key, (want, watch) in watches.items():
            if not isinstance(watch, Watch):
                continue
            if key in self._closed:
                await memory.keep(connection, want.place, watch.memory())
            await asyncio.to_thread(watch.prepare)
            if self._is_news(key, watch):
                self._noted[key] = await note_expectations(connection, watch)
        self._closed.clear()

    def _is_news(self, key: Key, watch: Watch) -> bool:
        """Return True where the page does not know the expectations; the page shows a window from the first look on."""
        return watch.place.age >= 0 and watch.detector.edition is not self._noted.get(key)
