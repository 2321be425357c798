"""The application's promise to the engine: the owner knows the offset from which to read each partition."""

from typing import Protocol


class PartitionOwner(Protocol):
    """The part of an application that keeps the partitions' state. An exception in a method stops the worker."""

    async def on_assigned(self, partitions: set[int]) -> dict[int, int]:
        """Prepare the partitions now held, and return for every partition the offset to read next.

        Called after every rebalance, before any record is delivered, with the complete set of partitions,
        perhaps an empty set. An offset outside of the log stops the worker; so
        does offset 0 once the first records are deleted. The call may take seconds. A rebalance that
        begins in the meantime cancels the call; another call follows after the rebalance.
        """

    async def on_revoked(self, partitions: set[int]) -> None:
        """Write the state down before the partitions are given up; the batch in hand was the last.

        Called before a rebalance and before an orderly stop, only for partitions whose `on_assigned` returned.
        Not called if an error stops the worker. The next `on_assigned` tells which partitions are lost.
        """
