"""The second count of the log, held to a worker's fold, and the look for windows, rows and gaps."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.change import Change, Scope
from streams.domain.codes import Vocabulary
from streams.domain.partition import PartitionState
from streams.domain.plan import plan_for
from streams.domain.tally import TallyKey, WindowScope, stages_of
from streams.domain.windows import Window
from streams.explaining.counting import PartitionLog
from streams.explaining.evidence import Entry
from streams.explaining.finding import Fault
from streams.explaining.row_set import RowSet
from streams.explaining.state import judge_gap
from streams.explaining.windows import AskedWindows
from streams.explaining.workers import HeldDeal, HeldRow
from tests.depth import examples
from tests.fakes.changes import Changes, StageEntry, sixteen

MINUTE = 60_000_000
PLAN = plan_for(("1m", "5m"), "UTC")
SCOPES = [Scope("t1", "p1"), Scope("t1", "p2")]
KINDS = [Window("1m", n * MINUTE, (n + 1) * MINUTE) for n in range(6)] + [
    Window("5m", n * MINUTE, (n + 5) * MINUTE) for n in (0, 5)
]
WINDOWS = [WindowScope(scope, window) for scope in SCOPES for window in KINDS]

stage_entries = st.builds(
    StageEntry,
    st.sampled_from(SCOPES),
    st.sampled_from("ABC"),
    st.integers(-1, 6 * MINUTE // 1000).map(lambda n: n * 1000),
)
histories = st.lists(
    st.tuples(
        st.sampled_from(["d1", "d2", "d3"]),
        st.integers(0, 3),
        st.none() | stage_entries,
        st.booleans(),
        st.booleans(),
    ),
    max_size=30,
)
asked = st.lists(st.sampled_from(WINDOWS), max_size=6)


def changes_of(history: list[tuple[str, int, StageEntry | None, bool, bool]], made: Changes) -> list[Change]:
    """A log: some rows come from a snapshot, some records come twice."""
    log = []
    for lsn, (deal, row, entry, is_snapshot, is_twice) in enumerate(history, start=1):
        snapshot = is_snapshot and entry is not None
        change = made.make(deal, f"{deal} {row}", entry, None if snapshot else lsn)
        log += [change] * (1 + is_twice)
    return log


@given(history=histories, windows=asked)
@settings(max_examples=examples(600))
def test_the_second_count_equals_a_workers_count_in_every_asked_window(
    history: list[tuple[str, int, StageEntry | None, bool, bool]], windows: list[WindowScope]
) -> None:
    made = Changes()
    log = changes_of(history, made)
    worker = PartitionState(PLAN, made.vocabulary)
    worker.apply_all(log)
    found = PartitionLog(AskedWindows(windows, made.vocabulary))
    found.apply(log)
    value = made.vocabulary.stages.value
    counted = {
        TallyKey(where, *map(value, stages_of(number))): profile
        for where, steps in found.profiles().items()
        for number, profile in steps.items()
    }
    assert counted == {key: profile for key, profile in worker.profiles().items() if key.where in windows}


@given(windows=asked, at=st.integers(-1, 11 * MINUTE))
@settings(max_examples=examples(300))
def test_an_instant_finds_its_windows_and_the_spans_cover_every_instant_once(
    windows: list[WindowScope], at: int
) -> None:
    vocabulary = Vocabulary()
    index = AskedWindows(windows, vocabulary)
    for scope in SCOPES:
        found = {cell.where for cell in index.cells_at(vocabulary.scopes.code(scope), at)}
        expected = {
            each for each in windows if each.scope == scope and each.window.start <= at < each.window.end
        }
        assert found == expected
        spans = [each for each in index.spans() if each[0] == scope and each[1] <= at < each[2]]
        assert len(spans) == bool(expected)


def test_two_sets_of_rows_name_the_deals_that_only_one_has() -> None:
    one, other = RowSet(), RowSet()
    for rows, names in ((one, "abc"), (other, "bcd")):
        for name in names:
            rows.add(sixteen(name), sixteen(f"row {name}"), 0, 0, 7)
    one.add(sixteen("e"), sixteen("row e"), 0, 0, 7)
    other.add(sixteen("e"), sixteen("row e"), 0, 1, 7)
    assert one.deals_unlike(other) == {sixteen("a"), sixteen("e")}
    assert other.deals_unlike(one) == {sixteen("d"), sixteen("e")}
    assert (len(one), len(other)) == (4, 4)


class Desk:
    """A partition's log with four deals from A to B, and the partials that a worker would have."""

    def __init__(self) -> None:
        self.made = Changes()
        self.where = WINDOWS[0]
        self.log = PartitionLog(AskedWindows([self.where], self.made.vocabulary))
        for number, deal in enumerate(("d1", "d2", "d3", "d4")):
            for place, stage in enumerate("AB"):
                at = 10_000_000 * number + 1_000_000 * place
                entry = StageEntry(SCOPES[0], stage, at)
                self.log.apply([self.made.make(deal, f"{deal} {stage}", entry, 1 + place)])
        self.partials = {self.where: dict(self.log.profiles()[self.where])}

    def verdicts(self, answers: dict[UUID, HeldDeal] | None) -> list[tuple[Fault, UUID | None]]:
        gaps = self.log.gaps(0, self.log.profiles(), self.partials)
        return [
            (found.fault, found.deal_id)
            for gap in gaps
            for found in judge_gap(gap, answers, self.made.vocabulary)
        ]

    def forget(self, deal: str) -> None:
        """Take a deal out of the partials, as a worker that never folded the deal."""
        other = PartitionLog(AskedWindows([self.where], self.made.vocabulary))
        other.deals = {key: packed for key, packed in self.log.deals.items() if key != sixteen(deal)}
        self.partials = {self.where: dict(other.profiles()[self.where])}

    def held(self, deal: str) -> HeldDeal:
        """What a right worker tells of a deal."""
        number = int(deal[1]) - 1
        return {
            UUID(bytes=sixteen(f"{deal} {stage}")): HeldRow(
                1 + place, Entry(SCOPES[0], stage, 10_000_000 * number + 1_000_000 * place)
            )
            for place, stage in enumerate("AB")
        }


D2 = UUID(bytes=sixteen("d2"))


def test_a_deal_that_a_worker_lacks_or_has_otherwise_is_named() -> None:
    desk = Desk()
    assert desk.verdicts(None) == []
    desk.forget("d2")
    assert desk.verdicts({D2: {}}) == [(Fault.MISSING_IN_STATE, D2)]
    one_row = dict(list(desk.held("d2").items())[:1])
    assert desk.verdicts({D2: one_row}) == [(Fault.MISSING_IN_STATE, D2)]
    older = {row: HeldRow(0, Entry(SCOPES[0], "C", 5)) for row in desk.held("d2")}
    assert desk.verdicts({D2: older}) == [(Fault.MISSING_IN_STATE, D2)]


def test_a_worker_that_has_every_deal_right_leaves_the_count_in_postgres_as_the_fault() -> None:
    desk = Desk()
    desk.forget("d2")
    assert desk.verdicts({D2: desk.held("d2")}) == [(Fault.PARTIAL_EDITED, None)]
    newer = {row: HeldRow(99, None) for row in desk.held("d2")}
    assert desk.verdicts({D2: newer}) == [(Fault.PARTIAL_EDITED, None)], (
        "deleted since: not older than the log"
    )


def test_without_a_worker_a_deal_whose_every_count_is_missing_is_named() -> None:
    desk = Desk()
    desk.forget("d2")
    assert desk.verdicts(None) == [(Fault.MISSING_IN_STATE, D2)]
    assert desk.verdicts({}) == [(Fault.MISSING_IN_STATE, D2)]


def test_without_a_worker_a_single_count_is_judged_only_where_no_deal_accounts_for_it() -> None:
    desk = Desk()
    steps = desk.partials[desk.where]
    number = next(iter(steps))
    steps[number] += 1  # more than the log: at the first place
    assert desk.verdicts(None) == [(Fault.PARTIAL_EDITED, None)]
    steps[number] -= 2
    assert desk.verdicts(None) == [(Fault.UNKNOWN, None)]


def test_without_a_worker_a_deal_is_not_named_for_a_part_of_its_counts() -> None:
    desk = Desk()
    whole = dict(desk.partials[desk.where])
    desk.forget("d2")
    entered_b = max(desk.partials[desk.where])  # the last step: entries into B
    desk.partials[desk.where][entered_b] = whole[entered_b]
    assert desk.verdicts(None) == [(Fault.UNKNOWN, None)]


def test_an_older_record_that_comes_again_changes_no_row() -> None:
    desk = Desk()
    before = desk.log.profiles()
    moved = desk.made.make("d1", "d1 A", StageEntry(SCOPES[0], "C", 5), 9)
    former = desk.made.make("d1", "d1 A", StageEntry(SCOPES[0], "A", 0), 1)
    desk.log.apply([moved])
    after = desk.log.profiles()
    assert after != before
    desk.log.apply([former])
    assert desk.log.profiles() == after


def test_a_window_that_is_asked_for_twice_counts_once() -> None:
    desk = Desk()
    again = PartitionLog(AskedWindows([desk.where, desk.where], desk.made.vocabulary))
    again.deals = desk.log.deals
    assert again.profiles() == desk.log.profiles()
