"""Workers over one log: they come, go, stand still and come back, in any order, and only Postgres keeps them apart."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Literal, Protocol, TypeVar, cast
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from streams.cdc.folded import FoldedTopic
from streams.domain.tally import TallyKey
from streams.facts.checkpoint import Checkpoints
from streams.facts.partials import DeadLetter, Flushed, Partials, PartitionFlush, Takeover
from streams.facts.processor import Processor
from tests.fakes.changes import StageEntry
from tests.machine.calendar import CLOSES, ENTERED, PLAN, SCOPES, STAGES, WINDOWS, stage_id
from tests.machine.definition import counts_of
from tests.machine.source import Source
from tests.machine.topic import MemoryTopic, Reader

T = TypeVar("T")
Then = Literal["nothing", "die", "flush", "fail", "get no answer"]
PARTITIONS = 3
DEALS = 4

deals = st.integers(0, DEALS - 1)
rows = st.integers(0, 11)
partitions = st.integers(0, PARTITIONS - 1)
seats = st.integers(0, 2)
afterwards: st.SearchStrategy[Then] = st.sampled_from(
    ["nothing", "flush", "flush", "flush", "fail", "get no answer", "die"]
)
entries = st.builds(
    lambda scope, stage, at: StageEntry(scope, stage_id(scope, stage), at),
    st.sampled_from([SCOPES[0], *SCOPES]),
    st.sampled_from(STAGES),
    st.sampled_from(ENTERED),
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), rows, deals, entries),
        st.tuples(st.just("write"), rows, deals, entries),
        st.tuples(st.just("update"), rows, entries),
        st.tuples(st.just("update"), rows, entries),
        st.tuples(st.just("delete"), rows),
        st.tuples(st.just("merge"), deals, deals),
        st.tuples(st.just("snapshot"), st.sets(rows, min_size=1)),
        st.tuples(st.just("send_again"), partitions, st.integers(1, 6)),
        st.tuples(st.just("compact"), partitions, st.integers(0, 2)),
    ),
    min_size=4,
    max_size=10,
)


class PartialsLike(Protocol):
    """The part of `Partials` that a processor uses."""

    @property
    def sealed(self) -> Mapping[str, int]: ...
    async def claim(self, partition: int, end: int) -> Takeover: ...
    async def read(self, partition: int) -> dict[TallyKey, int]: ...
    async def flush(self, flushes: Sequence[PartitionFlush]) -> Flushed: ...
    async def record_dead_letters(self, partition: int, letters: Sequence[DeadLetter]) -> None: ...


class Watched:
    """Partials that heed what they are told, and can be in trouble: before they write, or before they answer."""

    def __init__(self, partials: PartialsLike, fence: list[int]) -> None:
        self._partials = partials
        self._fence = fence
        self._ends: dict[int, int] = {}
        self.trouble: Then = "flush"
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
            assert flush.position >= self._ends[flush.partition], "told of before the replay has passed its end"
        if self.trouble == "fail":
            raise OSError
        flushed = await self._partials.flush(flushes)
        for flush in flushes:
            if flush.partition in flushed.accepted:
                self._fence[flush.partition] = max(self._fence[flush.partition], flush.position)
        if self.trouble == "get no answer":
            raise OSError
        return flushed


class Worker(Reader):
    """A worker, and what it says to Postgres."""

    def __init__(self, topic: MemoryTopic, partials: Watched, checkpoints: Checkpoints) -> None:
        topics = cast("FoldedTopic", topic)
        told = cast("Partials", partials)
        super().__init__(Processor("data", topics, told, checkpoints, PLAN, 0.2, 300.0), topic)
        self.partials = partials


class Fleet(RuleBasedStateMachine):
    """The steps; where counts are kept and windows are closed is for the machines that run them."""

    epoch = UUID(int=1)

    def __init__(self) -> None:
        super().__init__()
        self.topic = MemoryTopic(PARTITIONS)
        self.source = Source(self.topic)
        self.workers: dict[int, Worker] = {}
        self.fence = [0] * PARTITIONS
        self.compacted = [0] * PARTITIONS
        self.latest = CLOSES[0]
        self.folder = Path(mkdtemp())
        self.loop = asyncio.new_event_loop()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def teardown(self) -> None:
        self.loop.close()
        rmtree(self.folder)

    def partials(self) -> PartialsLike:
        """Return what a new worker writes to."""
        raise NotImplementedError

    def told(self) -> dict[int, tuple[int, dict[TallyKey, int]]]:
        """Return what Postgres holds of each partition: its position and its counts."""
        raise NotImplementedError

    def publish(self) -> None:
        """Close what is due by `latest`, revise what changed, and check every run there is."""
        raise NotImplementedError

    def expected(self, positions: Mapping[int, int]) -> dict[TallyKey, int]:
        """Return what the log before these positions says, by the definition."""
        told = self.source.rows_at(positions)
        return counts_of(((deal, entry) for (deal, _), entry in told.items()), WINDOWS)

    def worker(self, seat: int) -> Worker:
        """Return whoever sits there, or next to it."""
        taken = sorted(self.workers)
        return self.workers[seat if seat in taken else taken[seat % len(taken)]]

    def hire(self, seat: int) -> Worker:
        checkpoints = Checkpoints(self.folder, self.epoch)
        self.workers[seat] = Worker(self.topic, Watched(self.partials(), self.fence), checkpoints)
        return self.workers[seat]

    def dismiss(self, worker: Worker) -> None:
        """Let a worker be gone, unless there is no other."""
        if len(self.workers) > 1:
            self.workers = {seat: each for seat, each in self.workers.items() if each is not worker}

    @initialize()
    def a_worker_takes_everything_over(self) -> None:
        self.run(self.hire(0).take_over())

    @rule(happened=operations)
    def write(self, happened: list[tuple[Any, ...]]) -> None:
        """Let things happen in the CRM, and the log tell of them."""
        for what, *how in happened:
            getattr(self if what == "compact" else self.source, what)(*how)

    def compact(self, partition: int, back: int) -> None:
        """Compact what a replay that ends now need not pass: the lag is longer than any replay."""
        until = max(self.fence[partition] - back, 0)
        self.compacted[partition] = max(self.compacted[partition], self.source.compact(partition, until))

    @rule(seat=seats, taken=st.sets(partitions, min_size=1))
    def assign(self, seat: int, taken: set[int]) -> None:
        """Give partitions to a worker, which loses its others; whoever had them does not hear of it."""
        if seat not in self.workers:
            self.hire(seat)
        self.run(self.workers[seat].take_over(*taken))

    @rule(seat=seats, stopping=st.booleans(), then_gone=st.booleans())
    def revoke(self, seat: int, stopping: bool, then_gone: bool) -> None:
        """Let a worker flush, as before a rebalance; one that is stopping leaves checkpoints behind."""
        worker = self.worker(seat)
        self.run(worker.processor.on_revoked(stopping=stopping))
        self.check_told()
        if then_gone:
            self.dismiss(worker)

    @rule(seat=seats, some=st.sets(partitions, min_size=1), count=st.integers(1, 8), then=afterwards)
    def work(self, seat: int, some: set[int], count: int, then: Then) -> None:
        """Let a worker read some records, and flush; or die, or find that Postgres does not answer."""
        worker = self.worker(seat)
        for partition in some & worker.processor.partitions:
            worker.read(worker.processor.owned[partition].state.position + count, partition)
        self.check_state(worker)
        if then == "die":
            self.dismiss(worker)
        elif then != "nothing":
            worker.partials.trouble = then
            with suppress(OSError):
                self.run(worker.processor.flush())
            worker.partials.trouble = "flush"
            self.check_told()

    @rule(later=st.integers(0, 3))
    def close(self, later: int) -> None:
        """Close what has ended, whoever has read how far; and nothing of it is ever an edit."""
        self.latest = CLOSES[min(CLOSES.index(self.latest) + later, len(CLOSES) - 1)]
        self.publish()

    @rule(seat=seats, taken=st.sets(partitions, min_size=1))
    def settle(self, seat: int, taken: set[int]) -> None:
        """A new worker reads some partitions to their ends and tells everything, whatever the others believe."""
        worker = self.hire(seat)
        self.run(worker.take_over(*taken))
        for partition in taken:
            worker.read(partition=partition)
        accepted = self.run(worker.processor.flush())
        assert accepted == {partition: self.topic.end(partition) for partition in taken}
        self.check_told()
        self.publish()

    def check_state(self, worker: Worker) -> None:
        """What a worker knows is the log's fold, once it has passed what is compacted."""
        for partition, owned in worker.processor.owned.items():
            position = owned.state.position
            if position >= self.compacted[partition]:
                assert owned.state.counts() == self.expected({partition: position})

    def check_told(self) -> None:
        for partition, (position, counts) in self.told().items():
            assert without_zeros(counts) == self.expected({partition: position})


def without_zeros(counts: Mapping[TallyKey, int]) -> dict[TallyKey, int]:
    return {key: count for key, count in counts.items() if count}
