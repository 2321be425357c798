"""Workers over one log: they come, go, stand still and come back, in any order, and only Postgres keeps them apart."""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Literal, TypeVar, get_args
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from streams.domain.profile import Profile
from streams.domain.tally import TallyKey
from streams.fold.checkpoint import Checkpoints
from streams.fold.observed import FlushTarget
from tests.fakes.changes import StageEntry
from tests.machine.calendar import CLOSES, ENTERED, SCOPES, STAGES, WINDOWS, stage_id
from tests.machine.definition import profiles_of
from tests.machine.source import Source
from tests.machine.topic import MemoryTopic
from tests.machine.workers import Then, Watched, Worker

T = TypeVar("T")
Farewell = Literal["nothing", "flush", "checkpoint", "works on", "wakes up late"]
Proven = Literal["no", "yes", "leaving checkpoints"]
PARTITIONS = 3
DEALS = 4

deals = st.integers(0, DEALS - 1)
rows = st.integers(0, 7)
partitions = st.integers(0, PARTITIONS - 1)
seats = st.integers(0, 2)
some_partitions = st.sets(partitions, min_size=1)
entries = st.builds(
    lambda scope, stage, at: StageEntry(scope, stage_id(scope, stage), at),
    st.sampled_from([SCOPES[0], *SCOPES]),
    st.sampled_from(STAGES),
    st.sampled_from(ENTERED),
)
shifts: st.SearchStrategy[list[tuple[int, Then]]] = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 5, 50]), st.sampled_from(["flush", *get_args(Then)])),
    min_size=1,
    max_size=3,
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), rows, st.none() | deals, entries),
        st.tuples(st.just("write"), rows, st.none(), entries),
        st.tuples(st.just("update"), rows, entries),
        st.tuples(st.just("delete"), rows),
        st.tuples(st.just("spoil"), rows, entries),
        st.tuples(st.just("read_row"), rows),
        st.tuples(st.just("wake_up"), st.integers(0, 9)),
        st.tuples(st.just("lose"), rows, entries),
        st.tuples(st.just("lose_deletion"), rows),
        st.tuples(st.just("repair")),
        st.tuples(st.just("merge"), deals, deals),
        st.tuples(st.just("snapshot"), rows),
        st.tuples(st.just("send_again"), partitions, st.integers(1, 6)),
        st.tuples(st.just("compact"), partitions, st.integers(0, 2)),
    ),
    max_size=6,
)


class Fleet(RuleBasedStateMachine):
    """The steps; where counts are kept and windows are closed is for the machines that run them."""

    epoch_id = UUID(int=1)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self.topic = MemoryTopic(PARTITIONS)
        self.source = Source(self.topic)
        self.workers: dict[int, Worker] = {}
        self.fence = [0] * PARTITIONS
        self.compacted = [0] * PARTITIONS
        self.skipped = [0] * PARTITIONS
        self.latest = CLOSES[0]
        self.folder = Path(mkdtemp())

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def teardown(self) -> None:
        rmtree(self.folder)

    def partials(self) -> FlushTarget:
        """Return what a new worker writes to."""
        raise NotImplementedError

    def told(self) -> dict[int, tuple[int, dict[TallyKey, Profile]]]:
        """Return what Postgres holds of each partition: its position and its profiles."""
        raise NotImplementedError

    def publish(self) -> None:
        """Close what is due by `latest`, revise what changed, and check every run there is."""
        raise NotImplementedError

    def expected(self, positions: Mapping[int, int]) -> dict[TallyKey, Profile]:
        """Return what the log before these positions says, by the definition."""
        told = self.source.rows_at(positions)
        return profiles_of(((deal, entry) for (deal, _), entry in told.items()), WINDOWS)

    def worker(self, seat: int) -> Worker:
        """Return whoever sits there, or next to it."""
        taken = sorted(self.workers)
        return self.workers[seat if seat in taken else taken[seat % len(taken)]]

    def hire(self, seat: int) -> Worker:
        checkpoints = Checkpoints(self.folder, self.epoch_id)
        self.workers[seat] = Worker(self.topic, Watched(self.partials(), self.fence), checkpoints)
        return self.workers[seat]

    def give(self, worker: Worker, *partitions: int) -> bool:
        """Let a worker take these partitions over, or all; return whether it could."""
        self.run(worker.take_over(*partitions))
        return True

    def dismiss(self, worker: Worker) -> None:
        """Let a worker be gone, unless there is no other."""
        if len(self.workers) > 1:
            self.workers = {seat: each for seat, each in self.workers.items() if each is not worker}

    @initialize()
    def a_worker_takes_everything_over(self) -> None:
        self.give(self.hire(0))

    @rule(happened=operations, seat=seats, some=some_partitions, shifts=shifts)
    def work(self, happened: list[Any], seat: int, some: set[int], shifts: list[tuple[int, Then]]) -> None:
        """Let a worker read some records and flush, more than once; or die, or find that Postgres does not answer."""
        self.happen(happened)
        self.let_work(self.worker(seat), some, shifts)

    @rule(
        happened=operations,
        seat=seats,
        taken=some_partitions,
        farewell=st.sampled_from(get_args(Farewell)),
        late=shifts,
    )
    def assign(
        self,
        happened: list[Any],
        seat: int,
        taken: set[int],
        farewell: Farewell,
        late: list[tuple[int, Then]],
    ) -> None:
        """Give partitions to a worker, which loses its others; whoever had them may not hear of it, and work on.

        One that does hear flushes before, and leaves checkpoints behind where it stops.
        """
        former = self.worker(seat + 1)
        if farewell in {"flush", "checkpoint"}:
            former.partials.then = "flush"
            self.run(former.processor.on_revoked(stopping=farewell == "checkpoint"))
            self.check_told()
        if seat not in self.workers:
            self.hire(seat)
        self.give(self.workers[seat], *taken)
        if farewell == "wakes up late":
            for partition in taken:
                self.compact(partition, 0)
        if farewell in {"works on", "wakes up late"}:
            self.let_work(former, taken, late)
        self.happen(happened)

    @rule(
        later=st.integers(0, 3), proven=st.sampled_from(get_args(Proven)), seat=seats, taken=some_partitions
    )
    def close(self, later: int, proven: Proven, seat: int, taken: set[int]) -> None:
        """Close what has ended, whoever has read how far; or once a new worker has read some partitions."""
        if proven != "no":
            worker = self.hire(seat)
            if self.give(worker, *taken):
                for partition in taken:
                    self.read(worker, partition)
                self.run(worker.processor.on_revoked(stopping=proven == "leaving checkpoints"))
                self.check_told()
                assert all(self.told()[partition][0] == self.topic.end(partition) for partition in taken)
        self.latest = CLOSES[min(CLOSES.index(self.latest) + later, len(CLOSES) - 1)]
        self.publish()

    def let_work(self, worker: Worker, some: set[int], shifts: list[tuple[int, Then]]) -> None:
        for count, then in shifts:
            if worker not in self.workers.values():
                return
            for partition in some & worker.processor.partitions:
                self.read(worker, partition, count)
            self.check_state(worker)
            worker.partials.then = then
            if then == "die":
                self.dismiss(worker)
            elif then != "wait":
                with suppress(OSError):
                    self.run(worker.processor.flush())
                self.check_told()
            if then == "restore":
                self.restore()

    def read(self, worker: Worker, partition: int, count: int | None = None) -> None:
        """Let a worker read on, by `count` offsets or to the log's end; note what compaction took ahead of it."""
        position = worker.processor.owned[partition].state.position
        if position < self.compacted[partition]:
            self.skipped[partition] = self.compacted[partition]
        worker.read(None if count is None else position + count, partition)

    def happen(self, happened: list[Any]) -> None:
        """Let things happen in the CRM, and the log tell of them."""
        for what, *how in happened:
            getattr(self if what == "compact" else self.source, what)(*how)

    def compact(self, partition: int, back: int) -> None:
        """Compact what a replay that ends now need not pass: the lag is longer than any replay."""
        until = max(self.fence[partition] - back, 0)
        self.compacted[partition] = max(self.compacted[partition], self.source.compact(partition, until))

    def restore(self) -> None:
        """Let Postgres go back to what it was, where it can."""

    def check_state(self, worker: Worker) -> None:
        """What a worker knows is the log's fold, once it has passed what is compacted."""
        for partition, owned in worker.processor.owned.items():
            position = owned.state.position
            if position >= self.compacted[partition]:
                assert owned.state.profiles() == self.expected({partition: position})

    def check_told(self) -> None:
        for partition, (position, profiles) in self.told().items():
            assert without_zeros(profiles) == self.expected({partition: position})


def without_zeros(profiles: Mapping[TallyKey, Profile]) -> dict[TallyKey, Profile]:
    return {key: profile for key, profile in profiles.items() if profile}
