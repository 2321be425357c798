"""What an application promises the engine: to know from where each partition is to be read."""

from typing import Protocol


class PartitionOwner(Protocol):
    """Whoever keeps the state of the partitions. An exception in either method stops the worker."""

    async def on_assigned(self, partitions: set[int]) -> dict[int, int]:
        """Prepare the partitions now held, all of them, and return the offset to read next for each.

        Called after every rebalance, also with none, before any record is delivered; 0 means the log's
        beginning. It may take seconds. If the next rebalance begins meanwhile it is cancelled, and
        called again afterwards.
        """

    async def on_revoked(self, partitions: set[int]) -> None:
        """Write down what is due before the partitions are given up; the batch in hand was the last.

        Called before a rebalance and before the worker stops, unless an error stops it, and only for
        partitions whose `on_assigned` returned. The next `on_assigned` tells which of them are lost.
        """
