"""When a worker reads on: what Postgres does not take yet is kept in memory, so reading waits for it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STUCK_SECONDS = 2.0
"""How long a flush may take before nothing more is read."""
MOST_LETTERS = 2_000
"""Dead letters that may wait to be written before nothing more is read: each is a whole event."""
_LOOK_SECONDS = 0.05


class Intake:
    """`open` is whether the last flush succeeded; `letters` counts the dead letters that wait."""

    def __init__(self, letters: Callable[[], int]) -> None:
        self.open = True
        self._letters = letters
        self._began: float | None = None

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Regard a flush as under way for the length of a `with` block."""
        self._began = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._began = None

    async def ready(self) -> None:
        """Wait while Postgres cannot be reached or does not keep up."""
        while not self.open or self._is_stuck() or self._letters() > MOST_LETTERS:
            await asyncio.sleep(_LOOK_SECONDS)

    def _is_stuck(self) -> bool:
        began = self._began
        return began is not None and asyncio.get_running_loop().time() - began > STUCK_SECONDS
