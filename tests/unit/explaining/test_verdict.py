"""The verdict on a pair: a fault is planted into a world where all witnesses agree, and is called by its name."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid5

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams.cdc.routing import partition_of
from streams.domain.change import Scope
from streams.domain.codes import Vocabulary
from streams.domain.tally import Cell, WindowScope, contribution, first_entries, step
from streams.domain.windows import Window
from streams.explaining.evidence import Deal, Entry, Trace, counts_of
from streams.explaining.finding import Counts, Fault, Witnesses
from streams.explaining.judging import PairCase, judge
from streams.reconciliation import ClosedRun
from tests.depth import examples

PARTITIONS = 4
MINUTE = 60_000_000
START = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = UUID("6d0a3a6e-3f0c-4b36-8f9a-0a3cbb9a5f11")
A, B, C = (uuid5(NAMES, name) for name in "abc")
TENANT, PIPELINE, DEAL = (uuid5(NAMES, name) for name in ("tenant", "pipeline", "deal"))
HOME = partition_of(DEAL, PARTITIONS)
SCOPE = Scope(str(TENANT), str(PIPELINE))
WHERE = WindowScope(SCOPE, Window("1m", 0, MINUTE))
PAIR = str(A), str(B)
LOG_FAULTS = (Fault.LOST, Fault.GHOST, Fault.STALE, Fault.DEAD_LETTER, Fault.WRONG_PARTITION)

entries = st.builds(
    Entry,
    st.sampled_from([SCOPE, SCOPE, SCOPE, Scope(str(TENANT), "another")]),
    st.sampled_from([str(A), str(B), str(C)]),
    st.sampled_from([0, 1, 2, MINUTE - 1, MINUTE, -1]),
)
rows = st.dictionaries(st.integers(0, 5).map(lambda n: uuid5(NAMES, f"row {n}")), entries, min_size=1)
counts = st.tuples(st.integers(0, 3), st.integers(0, 3))


def run(facts: Mapping[tuple[UUID, UUID], Counts], **chosen: object) -> ClosedRun:
    made = ClosedRun(
        NAMES, TENANT, PIPELINE, "1m", START, datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 1, ((A, B),), dict(facts), {}, 1,
        pending=False,
    )  # fmt: skip
    return replace(made, **chosen)  # type: ignore[arg-type]  # as given


def faithful(source: Mapping[UUID, Entry]) -> Deal:
    """A deal that the log has as the source has it."""
    traces = [Trace(row, HOME, b"key", 5, entry) for row, entry in source.items()]
    return Deal(DEAL, source, traces, PARTITIONS)


def plant(deal: Deal, fault: Fault, row: UUID, entry: Entry) -> Deal:
    """The deal with one fault in one row."""
    (trace,) = (each for each in deal.traces if each.row_id == row)
    others = [each for each in deal.traces if each.row_id != row]
    match fault:
        case Fault.LOST:
            return replace(deal, traces=others)
        case Fault.GHOST:
            return replace(deal, source={key: value for key, value in deal.source.items() if key != row})
        case Fault.STALE:
            return replace(deal, source={**deal.source, row: entry})
        case Fault.DEAD_LETTER:
            spoiled = replace(trace, version=None, entry=None, unreadable="truncated")
            return replace(deal, traces=[*others, spoiled])
        case _:
            return replace(deal, traces=[*others, replace(trace, partition=(HOME + 1) % PARTITIONS)])


def case_of(deal: Deal) -> PairCase:
    """What is known of a window with this one deal, if everything behind the log is right."""
    source, log = deal.source_counts(WHERE, PAIR), deal.log_counts(WHERE, PAIR)
    witnesses = Witnesses(source, log, log, log)
    return PairCase(run({(A, B): log}), (A, B), WHERE, witnesses, deals=[deal], published=log)


@given(source=rows, fault=st.sampled_from(LOG_FAULTS), chosen=st.integers(0, 5), entry=entries)
@settings(max_examples=examples(400))
def test_a_fault_of_the_log_is_named_where_counts_differ_and_nowhere_else(
    source: Mapping[UUID, Entry], fault: Fault, chosen: int, entry: Entry
) -> None:
    row = sorted(source)[chosen % len(source)]
    assume(fault is not Fault.STALE or entry != source[row])
    deal = plant(faithful(source), fault, row, entry)
    found = judge(case_of(deal))
    if deal.source_counts(WHERE, PAIR) == deal.log_counts(WHERE, PAIR):
        assert [each.fault for each in found] == [Fault.UNKNOWN]
        return
    assert [(each.fault, each.deal_id) for each in found] == [(fault, DEAL)]
    (concerned,) = (
        found[0].rows
        if fault is not Fault.WRONG_PARTITION
        else [each for each in found[0].rows if each.row_id == row]
    )
    assert (concerned.row_id, concerned.belongs_to) == (row, HOME)
    assert concerned.in_source == (fault is not Fault.GHOST)
    assert (concerned.key is None) == (fault is Fault.LOST)
    assert concerned.version == (None if fault in {Fault.LOST, Fault.DEAD_LETTER} else 5)


@given(found=st.lists(entries, max_size=6))
@settings(max_examples=examples(500))
def test_a_deals_part_in_a_pair_is_that_of_a_worker(found: list[Entry]) -> None:
    vocabulary = Vocabulary()
    cell = Cell(WHERE, vocabulary.scopes.code(SCOPE))
    packed = [
        (0, at, vocabulary.scopes.code(scope), vocabulary.stages.code(stage)) for scope, stage, at in found
    ]
    steps = contribution(first_entries(packed, cell), cell)
    a, b = (vocabulary.stages.code(stage) for stage in PAIR)
    assert counts_of(found, WHERE, PAIR) == (int(step(a, a) in steps), int(step(a, b) in steps))


def test_a_deal_that_is_whole_in_a_foreign_partition_has_no_fault_by_its_place() -> None:
    kept, lost = uuid5(NAMES, "row 0"), uuid5(NAMES, "row 1")
    away = Trace(kept, (HOME + 1) % PARTITIONS, b"key", 5, Entry(SCOPE, str(A), 1))
    deal = Deal(DEAL, {kept: Entry(SCOPE, str(A), 1), lost: Entry(SCOPE, str(B), 2)}, [away], PARTITIONS)
    (found,) = judge(case_of(deal))
    assert (found.fault, [row.row_id for row in found.rows]) == (Fault.LOST, [lost])


@given(source=rows)
@settings(max_examples=examples(300))
def test_a_deal_that_the_log_has_as_the_source_has_no_fault(source: Mapping[UUID, Entry]) -> None:
    (found,) = judge(case_of(faithful(source)))
    assert found.fault is Fault.UNKNOWN
    assert "no rule fits" in found.sentence


@given(fact=st.none() | counts, partials=counts, published=st.none() | counts, is_waiting=st.booleans())
@settings(max_examples=examples(500))
def test_a_fact_is_judged_by_the_counts_with_which_its_run_was_published(
    fact: Counts | None, partials: Counts, published: Counts | None, *, is_waiting: bool
) -> None:
    facts = {} if fact is None else {(A, B): fact}
    witnesses = Witnesses(partials, partials, partials, fact)
    case = PairCase(run(facts), (A, B), WHERE, witnesses, published=published, is_touched=is_waiting)
    found = [each.fault for each in judge(case)]
    told = published or (0, 0)
    if fact is None:
        added = published is None and any(partials)
        assert found == [Fault.PAIRS_CHANGED if added else Fault.FACT_EDITED]
    elif fact != told:
        assert found == [Fault.FACT_EDITED]
    elif is_waiting:
        assert found == []
        assert case.is_unsettled
    else:
        assert found == [Fault.RUN_DELETED if fact != partials else Fault.UNKNOWN]


@given(
    seen=st.tuples(counts, counts, counts) | counts.map(lambda each: (each,) * 3), is_written=st.booleans()
)
@settings(max_examples=examples(300))
def test_a_fact_that_the_log_confirms_has_no_fault_where_the_crm_wrote_meanwhile(
    seen: tuple[Counts, Counts, Counts], *, is_written: bool
) -> None:
    log, partials, fact = seen
    witnesses = Witnesses((9, 9), log, partials, fact)
    case = PairCase(run({(A, B): fact}), (A, B), WHERE, witnesses, published=fact, is_written=is_written)
    is_right = is_written and fact == log == partials
    assert bool(judge(case)) != is_right
    assert judge(replace(case, is_restless=True)) == judge(case)
    assert replace(case, is_restless=True).is_unsettled
    assert not case.is_unsettled


def test_runs_that_no_worker_published_runs_that_are_gone_and_sealed_windows_are_named() -> None:
    seen = Witnesses((1, 0), (1, 0), (1, 0), (1, 0))
    case = PairCase(run({(A, B): (1, 0)}), (A, B), WHERE, seen, published=(1, 0))

    def fault(changed: PairCase) -> list[Fault]:
        return [each.fault for each in judge(changed)]

    assert fault(replace(case, is_published=False)) == [Fault.RUN_ADDED]
    assert fault(replace(case, is_sealed=True)) == [Fault.SEALED]
    gone = replace(case, run=run({}, run_id=None), witnesses=replace(seen, facts=None))
    assert fault(gone) == [Fault.RUN_DELETED]
    assert fault(replace(gone, is_touched=True)) == []
    assert fault(replace(gone, run=run({}, run_id=None, counted=False))) == [Fault.UNKNOWN]
    other_pairs = replace(case, run=run({(A, B): (1, 0)}, pairs=((B, C),)))
    assert fault(other_pairs) == [Fault.PAIRS_CHANGED]
    assert fault(replace(other_pairs, published=None)) == [Fault.FACT_EDITED]


def test_a_row_of_another_tenant_is_not_told_to_the_readers_of_the_finding() -> None:
    row = uuid5(NAMES, "row 0")
    secret = Entry(Scope(str(uuid5(NAMES, "another")), "secret"), "secret", 7)
    moved = replace(faithful({row: Entry(SCOPE, str(A), 7)}), source={row: secret})
    (found,) = judge(case_of(moved))
    assert found.fault is Fault.STALE
    assert "an entry of another tenant" in found.sentence
    assert "secret" not in found.sentence
