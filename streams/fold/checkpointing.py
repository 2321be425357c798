"""Schedule of checkpoints: a single partition at a time, off the event loop, after an accepted flush.

A state is saved only after Postgres has accepted the flush of that very state. A dead letter or a note that Postgres
lacks would otherwise lie before the checkpoint's position, and no replay would meet the event again.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from streams.fold.checkpoint import Checkpoint, Checkpoints
from streams.fold.owned import OwnedPartition


class Checkpointing:
    """Chooses the partition to save, every `interval` seconds per partition, and writes the checkpoints kept for it.

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
        """Return the partition's checkpoint; None if the checkpoint is missing or unusable."""
        found = await asyncio.to_thread(self._checkpoints.read, partition)
        if found is not None:
            await asyncio.to_thread(self._look_at, partition)
        return found

    def next_due(self) -> float:
        """Return the instant, by the event loop's clock, at which a partition saved now is due again."""
        return asyncio.get_running_loop().time() + self._interval

    def due(self, owned: Mapping[int, OwnedPartition]) -> list[int]:
        """Return the partition that is overdue the longest, if any: a single partition, to keep flushes short."""
        due = [(each.checkpoint_due, partition) for partition, each in owned.items() if each.active]
        if not due or min(due)[0] > asyncio.get_running_loop().time():
            return []
        partition = min(due)[1]
        owned[partition].checkpoint_due = self.next_due()
        return [partition]

    def keep(self, partition: int, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, after the flush was accepted, until `save`."""
        self._unsaved[partition] = checkpoint

    def save_soon(self) -> None:
        """Begin to save the kept checkpoints, unless a save is under way."""
        if self._unsaved and (self._saving is None or self._saving.done()):
            self._saving = asyncio.create_task(self.save())

    async def save(self) -> None:
        """Save the kept checkpoints."""
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
