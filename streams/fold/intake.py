"""Backpressure: changes wait in memory for Postgres, and a worker stops reading while too many wait."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STUCK_SECONDS = 2.0
"""Seconds of a flush after which the worker stops reading."""
MOST_LETTERS = 2_000
"""Waiting dead letters after which the worker stops reading: a letter holds a whole event."""
_LOOK_SECONDS = 0.05


class Intake:
    """Decides if the worker may read. `open`: the last flush succeeded; `letters` counts the waiting dead letters."""

    def __init__(self, letters: Callable[[], int]) -> None:
        self.open = True
        self._letters = letters
        self._began: float | None = None

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Regard a flush as under way during a `with` block."""
        self._began = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._began = None

    async def ready(self) -> None:
        """Wait while Postgres is unreachable or falls behind."""
        while not self.open or self._is_stuck() or self._letters() > MOST_LETTERS:
            await asyncio.sleep(_LOOK_SECONDS)

    def _is_stuck(self) -> bool:
        began = self._began
        return began is not None and asyncio.get_running_loop().time() - began > STUCK_SECONDS
