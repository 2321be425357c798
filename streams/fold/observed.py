"""Partials that are watched: how Postgres answers, and the result of each flush."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from streams.domain.profile import Profile
from streams.domain.tally import TallyKey
from streams.fold.partials import DeadLetter, Flushed, PartitionFlush, Takeover
from streams.store.keep_trying import PASSING_ERRORS, reason

OnFlush = Callable[[Sequence[PartitionFlush], Flushed | None, float], None]
"""A callback after each flush, with the partitions, the result (None: Postgres did not take it), and the seconds."""


class FlushTarget(Protocol):
    """The counts in Postgres, as a processor uses them; see Partials."""

    @property
    def sealed(self) -> Mapping[str, int]:
        """By window kind until when (microseconds) windows are sealed."""

    async def claim(self, partition: int, end: int) -> Takeover:
        """Take a partition over at the log's `end`."""

    async def read(self, partition: int) -> dict[TallyKey, Profile]:
        """Return the profiles that Postgres holds of a partition."""

    async def flush(self, flushes: Sequence[PartitionFlush]) -> Flushed:
        """Write the partitions that can be accepted, in one transaction."""

    async def record_dead_letters(self, partition: int, letters: Sequence[DeadLetter]) -> None:
        """Write dead letters ahead of their flush."""


class ObservedPartials:
    """Passes everything on to `partials`, and looks at the answers.

    `answered_at` (of `time.monotonic`) is when Postgres answered last; `trouble` is why it does not answer now.
    """

    def __init__(self, partials: FlushTarget, on_flush: OnFlush = lambda *_: None) -> None:
        self._partials = partials
        self._on_flush = on_flush
        self.record_dead_letters = partials.record_dead_letters
        self.answered_at: float | None = None
        self.trouble: str | None = None

    @property
    def sealed(self) -> Mapping[str, int]:
        """By window kind until when (microseconds) windows are sealed; see Partials."""
        return self._partials.sealed

    async def claim(self, partition: int, end: int) -> Takeover:
        """Take a partition over; see Partials."""
        takeover = await self._partials.claim(partition, end)
        self._answered()
        return takeover

    async def read(self, partition: int) -> dict[TallyKey, Profile]:
        """Return the profiles that Postgres holds; see Partials."""
        known = await self._partials.read(partition)
        self._answered()
        return known

    async def flush(self, flushes: Sequence[PartitionFlush]) -> Flushed:
        """Write the partitions that can be accepted; see Partials."""
        began = time.monotonic()
        try:
            flushed = await self._partials.flush(flushes)
        except PASSING_ERRORS as error:
            self._on_flush(flushes, None, time.monotonic() - began)
            self.trouble = reason(error)
            raise
        self._answered()
        self._on_flush(flushes, flushed, time.monotonic() - began)
        return flushed

    def _answered(self) -> None:
        self.answered_at = time.monotonic()
        self.trouble = None
