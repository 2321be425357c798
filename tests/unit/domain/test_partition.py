"""The fold, held to a brute-force reading of the rows after every prefix of the log."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.domain import partition
from streams.domain.change import Change, Scope
from streams.domain.deal import entries as all_entries
from streams.domain.packed import packed
from streams.domain.partition import PartitionState
from streams.domain.plan import WindowPlan, plan_for
from streams.domain.profile import Profile
from streams.domain.tally import TallyKey
from streams.domain.windows import Window
from tests.depth import examples
from tests.fakes.changes import Changes, StageEntry
from tests.machine.definition import profiles_of

MINUTE = 60_000_000
BUCKET = MINUTE // 12
PLAN = plan_for(("1m", "5m"), "UTC")
SCOPES = [Scope("t1", "p1"), Scope("t1", "p2"), Scope("t2", "p1")]

entries = st.builds(
    StageEntry,
    st.sampled_from(SCOPES),
    st.sampled_from("ABCD"),
    # Few instants, many of them on or beside a boundary, so that ties and moves between windows and buckets are
    # common.
    st.sampled_from(
        [0, 1, BUCKET - 1, BUCKET, MINUTE - 1, MINUTE, MINUTE + 1, 2 * MINUTE, 5 * MINUTE - 1, 5 * MINUTE]
    ),
)
deals = st.sampled_from(["d1", "d2", "d3"])
row_numbers = st.integers(0, 5)

Row = tuple[str, str]  # deal, row: the key in the log


WINDOWS = {
    tenant: [Window("1m", n * MINUTE, (n + 1) * MINUTE) for n in range(7)]
    + [Window("5m", n * MINUTE, (n + 5) * MINUTE) for n in (0, 5)]
    for tenant in ("t1", "t2")
}


def brute_force(rows: dict[Row, StageEntry]) -> dict[TallyKey, Profile]:
    """Count from the rows alone, by the definitions of a conversion and of a bucket, and nothing else."""
    return profiles_of(((deal, entry) for (deal, _), entry in rows.items()), WINDOWS)


CHANGES = Changes()


class PackedState(PartitionState):
    """A state that is told of packed changes, which are folded in C where that was compiled."""

    def apply(self, change: Change, *, note: bool = True) -> bool:
        return self.apply_all(packed(change), note=note) == 1


@pytest.fixture(scope="module", params=[PartitionState, PackedState], ids=["plain", "packed"])
def kind(request: pytest.FixtureRequest) -> type[PartitionState]:
    """How a state is told of changes."""
    told: type[PartitionState] = request.param
    return told


def new_state(kind: type[PartitionState] = PartitionState, plan: WindowPlan = PLAN) -> PartitionState:
    return kind(plan, CHANGES.vocabulary)


@dataclass
class Log:
    """What the source sends: LSNs rise per change, and a row's key is its deal and its number."""

    lsn: int = 100
    rows: dict[Row, StageEntry] = field(default_factory=dict)
    sent: list[Change] = field(default_factory=list)

    def write(self, row: Row, entry: StageEntry | None, *, snapshot: bool = False) -> Change:
        self.lsn += 1
        if entry is None:
            self.rows.pop(row, None)
        else:
            self.rows[row] = entry
        change = CHANGES.make(row[0], row[1], entry, None if snapshot else self.lsn, self.lsn)
        self.sent.append(change)
        return change


class FoldMachine(RuleBasedStateMachine):
    """Random changes, redeliveries, flushes that fail, and rebuilds; after each the profiles are the brute force's."""

    kind = PartitionState

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.state = new_state(self.kind)
        self.postgres: dict[TallyKey, Profile] = {}

    @rule(deal=deals, row=row_numbers, entry=entries)
    def insert_or_update(self, deal: str, row: int, entry: StageEntry) -> None:
        self.state.apply(self.log.write((deal, f"{deal}-{row}"), entry))

    @rule(deal=deals, row=row_numbers)
    def delete(self, deal: str, row: int) -> None:
        self.state.apply(self.log.write((deal, f"{deal}-{row}"), None))

    @rule(deal=deals, row=row_numbers, entry=entries)
    def read_by_a_snapshot(self, deal: str, row: int, entry: StageEntry) -> None:
        self.state.apply(self.log.write((deal, f"{deal}-{row}"), entry, snapshot=True))

    @precondition(lambda self: self.log.sent)
    @rule(data=st.data())
    def redeliver_what_was_streamed_already(self, data: st.DataObject) -> None:
        change = data.draw(st.sampled_from(self.log.sent))
        later_snapshot = any(
            each.lsn is None and (each.deal_id, each.row_id) == (change.deal_id, change.row_id)
            for each in self.log.sent[self.log.sent.index(change) + 1 :]
        )
        if change.lsn is not None and not later_snapshot:
            assert self.state.apply(change) is False

    @rule()
    def flush(self) -> None:
        self.postgres.update(self.state.drain().profiles)

    @rule()
    def flush_in_vain(self) -> None:
        self.state.give_back(self.state.drain())

    @rule(known_by_postgres=st.booleans())
    def replay_from_nothing(self, known_by_postgres: bool) -> None:
        self.state = new_state(self.kind)
        for change in self.log.sent:
            self.state.apply(change)
        self.state.drain()
        if not known_by_postgres:
            self.postgres = {key: profile + 1 for key, profile in self.postgres.items()}
        self.state.mark_differences(self.postgres)

    @invariant()
    def profiles_are_what_the_rows_say(self) -> None:
        assert self.state.profiles() == brute_force(self.log.rows)

    @invariant()
    def a_flush_would_make_postgres_equal(self) -> None:
        delta = self.state.drain()
        self.state.give_back(delta)
        after = {key: each for key, each in {**self.postgres, **delta.profiles}.items() if each}
        assert after == brute_force(self.log.rows)


class PackedFoldMachine(FoldMachine):
    """The same of packed changes."""

    kind = PackedState


class LargeDealsMachine(FoldMachine):
    """The same where every deal counts as one with very many rows, whose first entries are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = partition.LARGE
        partition.LARGE = 1

    def teardown(self) -> None:
        partition.LARGE = self.limit


MACHINE_SETTINGS = settings(max_examples=examples(40), stateful_step_count=40, deadline=None)
for machine in (FoldMachine, PackedFoldMachine, LargeDealsMachine):
    machine.TestCase.settings = MACHINE_SETTINGS
TestFold = FoldMachine.TestCase
TestFoldOfPackedChanges = PackedFoldMachine.TestCase
TestFoldOfLargeDeals = LargeDealsMachine.TestCase


def test_the_rows_of_one_deal_take_time_that_grows_with_their_number_and_not_with_its_square() -> None:
    def looked_at(rows: int) -> int:
        """Return how many rows of the deal were read to sort its first entries out."""
        state, read = new_state(), 0

        def counted(packed: bytes) -> Iterator[tuple[int, int, int, int]]:
            nonlocal read
            for entry in all_entries(packed):
                read += 1
                yield entry

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(partition, "entries", counted)
            for number in range(rows):
                entry = StageEntry(SCOPES[0], "ABCD"[number % 4], number)
                state.apply(CHANGES.make("d1", f"row {number}", entry, number + 1))
        return read

    assert looked_at(2000) - looked_at(1000) == 0


@given(
    writes=st.lists(st.tuples(deals, row_numbers, st.none() | entries), max_size=30),
    random=st.randoms(use_true_random=False),
)
def test_replaying_a_compacted_log_ends_in_the_same_profiles(
    kind: type[PartitionState], writes: list[tuple[str, int, StageEntry | None]], random: object
) -> None:
    """Compaction keeps the newest record of each key, and any of the others."""
    log = Log()
    changes = [log.write((deal, f"{deal}-{row}"), entry) for deal, row, entry in writes]
    newest = {(change.deal_id, change.row_id): change for change in changes}
    kept = [c for c in changes if newest[c.deal_id, c.row_id] is c or random.random() < 0.5]  # type: ignore[attr-defined]  # a Random
    state = new_state(kind)
    for change in kept:
        state.apply(change)
    assert state.profiles() == brute_force(log.rows)


ENTRY = StageEntry(SCOPES[0], "A", 10)


def late(
    kind: type[PartitionState], old: StageEntry | None, new: StageEntry | None, *, rekeyed: bool = False
) -> set[str]:
    """Apply a change of a row after its windows have ended, and return the causes noted."""
    state = new_state(kind)
    if old is not None:
        state.apply(CHANGES.make("d", "r", old, 1, 0))
    state.apply(CHANGES.make("d", "r", new, 2, 100 * MINUTE, rekeyed=rekeyed))
    return set().union(*(note.causes for note in state.drain().notes.values()))


@pytest.mark.parametrize(
    ("old", "new", "rekeyed", "cause"),
    [
        (None, ENTRY, False, "late_insert"),
        (None, ENTRY, True, "deal_merged"),
        (ENTRY, None, False, "delete"),
        (ENTRY, None, True, "deal_merged"),
        (ENTRY, ENTRY._replace(stage_id="B"), False, "stage_moved"),
        (ENTRY, ENTRY._replace(at=2 * MINUTE), False, "backdate"),
        (ENTRY, ENTRY._replace(scope=SCOPES[1]), False, "tenant_or_pipeline_moved"),
    ],
)
def test_a_change_after_a_windows_end_is_noted_with_its_cause(
    kind: type[PartitionState], old: StageEntry | None, new: StageEntry | None, rekeyed: bool, cause: str
) -> None:
    assert late(kind, old, new, rekeyed=rekeyed) == {cause}


def test_a_change_that_leaves_the_counts_alone_is_not_noted(kind: type[PartitionState]) -> None:
    assert late(kind, ENTRY, ENTRY._replace(at=11)) == set()


def test_a_change_before_a_windows_end_is_not_noted(kind: type[PartitionState]) -> None:
    state = new_state(kind)
    state.apply(CHANGES.make("d", "r", ENTRY, 1, MINUTE - 1))
    assert state.drain().notes == {}


def test_a_snapshot_row_is_older_than_anything_streamed_whatever_its_transaction(
    kind: type[PartitionState],
) -> None:
    state = new_state(kind)
    state.apply(CHANGES.make("d", "r", ENTRY, None, 0))
    assert state.apply(CHANGES.make("d", "r", None, 1, 0)) is True
    assert state.profiles() == {}


@pytest.mark.parametrize("moved_by", [0, 1])
def test_a_snapshot_row_makes_a_known_row_older_than_anything_streamed(
    kind: type[PartitionState], moved_by: int
) -> None:
    """A transaction open across the snapshot has a smaller LSN than the row had, and is newer."""
    state = new_state(kind)
    state.apply(CHANGES.make("d", "r", ENTRY, 5, 0))
    state.apply(CHANGES.make("d", "r", ENTRY._replace(at=ENTRY.at + moved_by), None, 0))
    assert state.apply(CHANGES.make("d", "r", None, 3, 0)) is True
    assert state.profiles() == {}


def test_a_deleted_row_does_not_come_back_by_a_redelivery(kind: type[PartitionState]) -> None:
    state = new_state(kind)
    state.apply(CHANGES.make("d", "r", ENTRY, 5, 0))
    state.apply(CHANGES.make("d", "r", None, 6, 0))
    assert state.apply(CHANGES.make("d", "r", ENTRY, 5, 0)) is False
    assert state.profiles() == {}


def test_an_entry_outside_the_calendar_changes_nothing(kind: type[PartitionState]) -> None:
    state = new_state(kind, plan_for(("month",), "UTC"))
    beyond = ENTRY._replace(at=253_402_300_700_000_000)  # 9999-12-31
    with pytest.raises(OverflowError):
        state.apply(CHANGES.make("d", "r", beyond, 1, 0))
    assert state.deals == {}
    assert state.drain().profiles == {}
