"""What a repair plans for each fault."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from streams.explaining import ConcernedRow, Fault, Finding, Witnesses
from streams.reconciliation import ClosedRun
from streams.repairing.plan import LogRecord, RepairPlan, plan_repair
from streams.repairing.restatements import key_of

DEAL, OTHER, ROW = UUID(int=7), UUID(int=8), UUID(int=9)
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
A, B = UUID(int=1), UUID(int=2)


def finding(fault: Fault, *rows: ConcernedRow, deal: UUID | None = DEAL, hour: int = 0) -> Finding:
    start = START + timedelta(hours=hour)
    run = ClosedRun(
        run_id=UUID(int=5),
        tenant_id=UUID(int=3),
        pipeline_id=UUID(int=4),
        window_name="1h",
        window_start=start,
        window_end=start + timedelta(hours=1),
        revision=1,
        pairs=((A, B),),
        facts={(A, B): (1, 0)},
        stage_names={},
        written=1,
        pending=False,
    )
    return Finding(fault, run, A, B, Witnesses((1, 1), (1, 1), (1, 1), (1, 0)), "", deal, rows)


def row(partition: int | None, belongs_to: int | None, deal: UUID = DEAL) -> ConcernedRow:
    key = None if partition is None else key_of(deal, ROW)
    return ConcernedRow(ROW, key, partition, belongs_to, 5, in_source=True)


@pytest.mark.parametrize("fault", [Fault.FACT_EDITED, Fault.RUN_DELETED])
def test_wrong_facts_are_published_anew_and_nothing_else(fault: Fault) -> None:
    plan = plan_repair([finding(fault)])
    assert (plan.deals, plan.recount, [each.present_pairs for each in plan.windows]) == (
        (),
        frozenset(),
        [False],
    )


@pytest.mark.parametrize("fault", [Fault.PAIRS_CHANGED, Fault.RUN_ADDED])
def test_a_run_with_doubtful_pairs_is_published_with_the_present_pairs(fault: Fault) -> None:
    assert [each.present_pairs for each in plan_repair([finding(fault)]).windows] == [True]


@pytest.mark.parametrize(
    "fault", [Fault.LOST, Fault.GHOST, Fault.STALE, Fault.DEAD_LETTER, Fault.WRONG_PARTITION]
)
def test_a_fault_of_the_log_restates_the_deal_and_publishes_the_window(fault: Fault) -> None:
    plan = plan_repair([finding(fault, row(1, 1))])
    (deal,) = plan.deals
    assert (deal.deal_id, deal.faults, deal.records) == (
        DEAL,
        frozenset({fault}),
        (LogRecord(1, key_of(DEAL, ROW), is_astray=False),),
    )
    assert not plan.recount
    assert len(plan.windows) == 1


def test_a_row_that_the_log_never_had_restates_its_deal() -> None:
    (deal,) = plan_repair([finding(Fault.LOST, row(None, 1))]).deals
    assert (deal.deal_id, deal.records) == (DEAL, ())


def test_a_record_in_the_wrong_partition_is_deleted_there() -> None:
    (deal,) = plan_repair([finding(Fault.WRONG_PARTITION, row(0, 1))]).deals
    assert deal.records == (LogRecord(0, key_of(DEAL, ROW), is_astray=True),)


def test_wrong_counts_are_compared_by_the_workers_and_their_deals_restated() -> None:
    plan = plan_repair(
        [
            finding(Fault.MISSING_IN_STATE, row(1, 1), row(1, 1, OTHER), deal=None),
            finding(Fault.PARTIAL_EDITED, deal=None),
        ]
    )
    assert plan.recount == {Fault.MISSING_IN_STATE, Fault.PARTIAL_EDITED}
    assert [deal.deal_id for deal in plan.deals] == [DEAL, OTHER]


def test_a_window_with_several_faults_is_published_once_and_windows_go_in_order_of_time() -> None:
    plan = plan_repair(
        [finding(Fault.LOST, hour=1), finding(Fault.FACT_EDITED, hour=1), finding(Fault.GHOST, hour=0)]
    )
    assert [(each.window_start, each.faults) for each in plan.windows] == [
        (START, frozenset({Fault.GHOST})),
        (START + timedelta(hours=1), frozenset({Fault.LOST, Fault.FACT_EDITED})),
    ]


@pytest.mark.parametrize(("fault", "why"), [(Fault.SEALED, "retention"), (Fault.UNKNOWN, "rebuild")])
def test_a_fault_without_a_repair_is_left_and_told(fault: Fault, why: str) -> None:
    plan = plan_repair([finding(fault)])
    assert not plan
    assert plan == RepairPlan(left=plan.left)
    assert why in plan.left[0][1]


def test_every_fault_has_a_plan() -> None:
    for fault in Fault:
        plan = plan_repair([finding(fault)])
        assert bool(plan) != bool(plan.left)
