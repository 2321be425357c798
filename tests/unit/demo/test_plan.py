from collections import Counter
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import pytest

from streams.demo.business import PIPELINES
from streams.demo.plan import CORRECTIONS_FROM, LATE, LONGEST_OPEN, TICK, Plan
from streams.demo.writes import CORRECTIONS, DELETES, INSERTS, KINDS, Row, Transaction

SECONDS = 45


def plan(seed: int, rate: float, seconds: float = SECONDS) -> Iterator[tuple[float, Transaction]]:
    """Yield what is planned for the first seconds, each transaction with its time."""
    for number, transactions in enumerate(islice(Plan(seed, rate).ticks(), int(seconds / TICK))):
        for transaction in transactions:
            yield number * TICK, transaction


def committed(seed: int, rate: float) -> Counter[str]:
    return Counter(
        write.kind
        for _, transaction in plan(seed, rate)
        if not transaction.rolls_back
        for write in transaction.writes
    )


def test_the_same_seed_gives_the_same_plan() -> None:
    assert list(plan(3, 50)) == list(plan(3, 50))


def test_another_seed_gives_another_plan() -> None:
    assert list(plan(3, 50, seconds=2)) != list(plan(4, 50, seconds=2))


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_write_is_there_within_45_seconds(seed: int) -> None:
    assert set(committed(seed, 100)) == set(KINDS)


@pytest.mark.parametrize("rate", [1, 10, 100, 500])
def test_even_a_slow_crm_corrects_its_past(rate: float) -> None:
    assert set(committed(1, rate)) & set(CORRECTIONS)


@pytest.mark.parametrize("rate", [10, 100, 500])
def test_as_many_rows_are_written_as_asked_for(rate: float) -> None:
    assert committed(1, rate).total() / SECONDS == pytest.approx(rate, rel=0.08)


def test_two_writes_in_five_tell_that_a_stage_was_left() -> None:
    kinds = committed(1, 200)
    assert kinds["exit"] / kinds.total() == pytest.approx(0.4, abs=0.05)


def test_some_transactions_come_to_nothing_and_some_stay_open() -> None:
    transactions = [transaction for _, transaction in plan(1, 100)]
    assert sum(transaction.rolls_back for transaction in transactions) > 10
    assert any(1 <= transaction.open_for <= LONGEST_OPEN for transaction in transactions)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [1, 100])
def test_the_first_correction_changes_a_window_that_has_been_closed(seed: int, rate: float) -> None:
    """A deal that nobody knew of enters a stage in a 15 s window that ended long before.

    ```
    0 s            entered          end <= entered + 15                22 s: written
    |----------------*----------------------|-----------------------------*
                     |<--------------- at least 20 s -------------------->|
    ```
    """
    known: set[UUID] = set()
    for at, transaction in plan(seed, rate):
        for write in transaction.writes:
            if write.kind in CORRECTIONS and not transaction.rolls_back:
                assert write.kind == "late_insert"
                assert write.row.deal_id not in known
                assert CORRECTIONS_FROM <= at <= CORRECTIONS_FROM + 1
                assert LATE <= write.back <= at
                assert write.back > 15 + LONGEST_OPEN
                return
            known.add(write.row.deal_id)
    pytest.fail("nothing was corrected")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [1, 30, 300])
def test_every_write_finds_its_row_committed_and_no_transaction_writes_a_row_twice(
    seed: int, rate: float
) -> None:
    there: dict[UUID, Row] = {}
    awaited: list[tuple[float, Row]] = []
    for at, transaction in plan(seed, rate):
        there.update((row.id, row) for when, row in awaited if when <= at)
        awaited = [(when, row) for when, row in awaited if when > at]
        ids = [write.row.id for write in transaction.writes]
        assert len(ids) == len(set(ids))
        for write in transaction.writes:
            assert (write.row.id in there) == (write.kind not in INSERTS)
            if transaction.rolls_back:
                continue
            if write.kind in DELETES:
                del there[write.row.id]
            elif transaction.open_for:
                awaited.append((at + transaction.open_for, write.row))
            else:
                there[write.row.id] = write.row


def test_every_row_is_in_a_stage_of_its_pipeline_and_tenant() -> None:
    stages = {(p.tenant_id, p.id, stage.id) for p in PIPELINES for stage in p.stages}
    for _, transaction in plan(2, 200):
        for write in transaction.writes:
            assert (write.row.tenant_id, write.row.pipeline_id, write.row.stage_id) in stages


def test_corrections_do_what_their_names_say() -> None:
    before: dict[UUID, Row] = {}
    seen: Counter[str] = Counter()
    for _, transaction in plan(1, 500):
        for write in transaction.writes:
            row, old = write.row, before.get(write.row.id)
            if write.kind == "deal_merged":
                assert old
                assert (row.deal_id != old.deal_id, row.stage_id == old.stage_id) == (True, True)
            elif write.kind == "stage_corrected":
                assert old
                assert (row.pipeline_id == old.pipeline_id, row.stage_id != old.stage_id) == (True, True)
            elif write.kind == "pipeline_moved":
                assert old
                assert (row.tenant_id == old.tenant_id, row.pipeline_id != old.pipeline_id) == (True, True)
            elif write.kind == "tenant_moved":
                assert old
                assert row.tenant_id != old.tenant_id
            elif write.kind not in INSERTS:
                assert old == row
                assert (write.back > 0) == (write.kind == "backdate")
            if old and write.kind != "deal_merged":
                assert row.deal_id == old.deal_id
            seen[write.kind] += 1
            if not transaction.rolls_back:
                before[row.id] = row
    assert set(seen) == set(KINDS)


def test_three_tenants_have_two_pipelines_each_and_one_has_gaps_in_its_order() -> None:
    assert set(Counter(p.tenant_id for p in PIPELINES).values()) == {2}
    assert len({p.tenant_id for p in PIPELINES}) == 3
    orders = [[stage.display_order for stage in p.stages] for p in PIPELINES]
    assert all(4 <= len(order) <= 6 for order in orders)
    assert any(max(order) > len(order) for order in orders)
