"""When checkpoints are written, and where: not on the event loop, which folds and flushes meanwhile."""

import asyncio
import threading
from pathlib import Path
from uuid import UUID

from streams.domain.codes import Vocabulary
from streams.domain.partition import PartitionState
from streams.domain.plan import plan_for
from streams.fold.checkpoint import Checkpoint, Checkpoints
from streams.fold.checkpointing import Checkpointing
from streams.fold.owned import OwnedPartition

PLAN = plan_for(("hour",), "UTC")


class SlowDisk(Checkpoints):
    """Writes once it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, UUID(int=1))
        self.ready = threading.Event()
        self.begun = 0
        self.written = 0

    def write(self, partition: int, checkpoint: Checkpoint) -> bool:
        self.begun += 1
        assert self.ready.wait(5), "the event loop waited too"
        self.written += super().write(partition, checkpoint)
        return True


def owned(due: float, *, active: bool = True) -> OwnedPartition:
    state = PartitionState(PLAN, Vocabulary())
    return OwnedPartition(state, 0, 0, 0, None if active else {}, due)


async def test_the_event_loop_goes_on_while_a_slow_disk_takes_a_checkpoint(tmp_path: Path) -> None:
    disk = SlowDisk(tmp_path)
    checkpointing = Checkpointing(disk, 60)
    for partition in (1, 2):
        checkpointing.keep(partition, Checkpoint(PartitionState(PLAN, Vocabulary()).snapshot(), frozenset()))
    checkpointing.save_soon()
    await asyncio.sleep(0.05)
    checkpointing.save_soon()
    await asyncio.sleep(0.05)
    assert (disk.begun, disk.written) == (1, 0)  # one at a time
    disk.ready.set()
    async with asyncio.timeout(5):
        while disk.written < 2:
            await asyncio.sleep(0.01)


async def test_one_checkpoint_is_due_at_a_time_and_none_of_a_partition_that_is_replayed(
    tmp_path: Path,
) -> None:
    checkpointing = Checkpointing(SlowDisk(tmp_path), 60)
    now = asyncio.get_running_loop().time()
    held = {0: owned(now - 1), 1: owned(now - 3), 2: owned(now - 9, active=False), 3: owned(now + 9)}
    assert [checkpointing.due(held) for _ in range(3)] == [[1], [0], []]
    held[2].known = None
    assert [checkpointing.due(held) for _ in range(2)] == [[2], []]
