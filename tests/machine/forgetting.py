"""A fleet whose log loses its beginning, as by a policy of retention; what is lost is not always folded already."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from streams.cdc.folded import RecordsLostError
from tests.machine.fleet import Fleet, partitions
from tests.machine.workers import Worker


class ForgettingFleet(Fleet):
    """The steps of a fleet, and the deletion of records. A worker that lacks them is refused, and another is hired."""

    @rule(partition=partitions, back=st.integers(-2, 6))
    def forget(self, partition: int, back: int) -> None:
        """Delete records around the place to which the partition's owner has come."""
        self.topic.delete(partition, max(self.fence[partition] - back, 0))

    def give(self, worker: Worker, *taken: int) -> bool:
        begins = self.topic.begins
        try:
            super().give(worker, *taken)
        except RecordsLostError:
            assert any(begins.get(partition) for partition in taken or range(self.topic.partitions))
            for seat in [seat for seat, each in self.workers.items() if each is worker]:
                self.hire(seat)
            return False
        owned = worker.processor.owned
        assert all(each.state.position >= begins.get(partition, 0) for partition, each in owned.items())
        return True

    def read(self, worker: Worker, partition: int, count: int | None = None) -> None:
        """Read on, unless records ahead of the worker are gone: the engine would stop the worker."""
        if worker.processor.owned[partition].state.position >= self.topic.begins.get(partition, 0):
            super().read(worker, partition, count)
