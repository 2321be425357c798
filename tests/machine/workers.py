"""Workers, and what comes between them and Postgres."""

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from streams.cdc.folded import FoldedTopic
from streams.fold.checkpoint import Checkpoints
from streams.fold.checkpointing import Checkpointing
from streams.fold.observed import FlushTarget
from streams.fold.partials import Flushed, PartitionFlush, Takeover
from streams.fold.processor import Processor
from tests.machine.calendar import PLAN
from tests.machine.topic import MemoryTopic, Reader

Then = Literal["flush", "fail", "get no answer", "restore", "wait", "die"]


class Watched:
    """Partials that heed what they are told, and can be in trouble: before they write, or before they answer."""

    def __init__(self, partials: FlushTarget, fence: list[int]) -> None:
        self._partials = partials
        self._fence = fence
        self._ends: dict[int, int] = {}
        self.then: Then = "flush"
        self.read = partials.read
        self.record_dead_letters = partials.record_dead_letters

    @property
    def sealed(self) -> Mapping[str, int]:
        return self._partials.sealed

    async def claim(self, partition: int, end: int) -> Takeover:
        takeover = await self._partials.claim(partition, end)
        self._ends[partition] = end
        self._fence[partition] = max(self._fence[partition], end)
        return takeover

    async def flush(self, flushes: Sequence[PartitionFlush]) -> Flushed:
        for flush in flushes:
            assert flush.position >= self._ends[flush.partition], (
                "told of before the replay has passed its end"
            )
        if self.then == "fail":
            raise OSError
        flushed = await self._partials.flush(flushes)
        for flush in flushes:
            if flush.partition in flushed.accepted:
                self._fence[flush.partition] = max(self._fence[flush.partition], flush.position)
        if self.then == "get no answer":
            raise OSError
        return flushed


class Worker(Reader):
    """A worker, and what it says to Postgres."""

    def __init__(self, topic: MemoryTopic, partials: Watched, checkpoints: Checkpoints) -> None:
        folded = cast("FoldedTopic", topic)
        super().__init__(Processor(folded, partials, Checkpointing(checkpoints, 300.0), PLAN, 0.2), topic)
        self.partials = partials
