"""When each partition's checkpoint is written: one partition at a time, off the event loop, after an accepted flush."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from streams.fold.checkpoint import Checkpoint, Checkpoints
from streams.fold.owned import OwnedPartition


class Checkpointing:
    """Says whose checkpoint is due, every `interval` seconds for each partition, and writes what was taken.

    `written` has when (of `time.time`) and how large each partition's newest checkpoint is; `failing` are the
    partitions whose last one could not be written. `on_write` is told of each attempt whether it succeeded.
    """

    def __init__(
        self, checkpoints: Checkpoints, interval: float, on_write: Callable[[bool], None] = lambda _: None
    ) -> None:
        self._checkpoints = checkpoints
        self._interval = interval
        self._on_write = on_write
        self._unsaved: dict[int, Checkpoint] = {}
        self._saving: asyncio.Task[None] | None = None
        self.written: dict[int, tuple[float, int]] = {}
        self.failing: set[int] = set()

    async def read(self, partition: int) -> Checkpoint | None:
        """Return the partition's checkpoint, None where there is none that can be used."""
        found = await asyncio.to_thread(self._checkpoints.read, partition)
        if found is not None:
            await asyncio.to_thread(self._look_at, partition)
        return found

    def next_due(self) -> float:
        """Return when a partition that is taken over or saved now is due, by the event loop's clock."""
        return asyncio.get_running_loop().time() + self._interval

    def due(self, owned: Mapping[int, OwnedPartition]) -> list[int]:
        """Return the partition whose checkpoint is due the longest, if any: one at a time, to keep flushes short."""
        due = [(each.checkpoint_due, partition) for partition, each in owned.items() if each.active]
        if not due or min(due)[0] > asyncio.get_running_loop().time():
            return []
        partition = min(due)[1]
        owned[partition].checkpoint_due = self.next_due()
        return [partition]

    def take(self, partition: int, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint whose flush was accepted, until it is saved."""
        self._unsaved[partition] = checkpoint

    def save_soon(self) -> None:
        """Begin to save what was taken, unless that is under way."""
        if self._unsaved and (self._saving is None or self._saving.done()):
            self._saving = asyncio.create_task(self.save())

    async def save(self) -> None:
        """Save what was taken."""
        while self._unsaved:
            partition, checkpoint = self._unsaved.popitem()
            written = await asyncio.to_thread(self._checkpoints.write, partition, checkpoint)
            (self.failing.discard if written else self.failing.add)(partition)
            self._on_write(written)
            await asyncio.to_thread(self._look_at, partition)

    def _look_at(self, partition: int) -> None:
        with suppress(OSError):
            file = self._checkpoints.path(partition).stat()
            self.written[partition] = file.st_mtime, file.st_size
