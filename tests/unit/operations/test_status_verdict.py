"""What `status` says of an installation, in sentences that name the defect and the remedy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams.alerts.listing import EvaluatorReading
from streams.alerts.overview import Overview
from streams.cdc.connector import ConnectorStatus
from streams.domain.duration import spell
from streams.operations.verdict import PartitionStatus, Seen, judge

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "now": NOW,
    "proven_at": NOW - timedelta(seconds=1),
    "unpublished_since": None,
    "unpublished_events": 0,
    "last_reconciliation": None,
    "comparisons": {
        "windows": 40,
        "never_compared": 0,
        "oldest_age": 60.0,
        "different": 0,
        "different_age": None,
    },
}
FOLDED = PartitionStatus(
    0, source_offset=10, end=10, readable=10, claimed=4, worker="host:1", flushed_at="", flushed_ago=0.5
)
RUNNING = ConnectorStatus("crm", "RUNNING", ["RUNNING"])
WELL = Seen(
    facts=FACTS,
    living=["host:1"],
    partitions=[FOLDED, replace(FOLDED, partition=1)],
    connector=RUNNING,
    has_topic=True,
    has_source=True,
    slot={"active": True, "wal_status": "reserved"},
)
EVALUATOR = EvaluatorReading(
    "host:2", is_active=False, looked_at=NOW, age=10_800, proven_until=NOW,
    held=None, held_since=None, broken_rules=(), broken_since=None,
)  # fmt: skip
UNFOLDED = [PartitionStatus(number, end=7, readable=7) for number in (0, 1)]
OLD = {**FACTS, "proven_at": NOW - timedelta(seconds=61)}


def compared(different: int, age: float) -> dict[str, Any]:
    return {**FACTS, "comparisons": {**FACTS["comparisons"], "different": different, "different_age": age}}


def reconciled(outcome: str, differences: int = 0) -> dict[str, Any]:
    last = {"outcome": outcome, "age": 10_800.0, "runs": 40, "differences": differences}
    return {**FACTS, "last_reconciliation": last}


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(WELL, id="everything works"),
        pytest.param(replace(WELL, facts=reconciled("equal")), id="the last reconciliation was equal"),
        pytest.param(
            replace(WELL, facts=reconciled("different", 3), doubts={"reconciliation"}),
            id="the last reconciliation differed, which a doubt says already",
        ),
        pytest.param(
            replace(WELL, partitions=[replace(FOLDED, end=50, readable=50)]),
            id="records have come, and the position moves",
        ),
        pytest.param(
            replace(WELL, partitions=[FOLDED, replace(FOLDED, claimed=20)]),
            id="a partition was taken over, and proofs go on",
        ),
        pytest.param(Seen(), id="no server answers, each server's silence is told beside"),
        pytest.param(
            replace(WELL, slot={"active": False, "wal_status": "reserved"}), id="a moment without a reader"
        ),
    ],
)
def test_nothing_is_wrong_while(seen: Seen) -> None:
    assert judge(seen) == []


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (
            replace(WELL, partitions=UNFOLDED, living=[], facts={**FACTS, "proven_at": None}),
            ["nothing has been folded yet: start a worker with `funnelproof worker`"],
        ),
        (
            replace(WELL, partitions=UNFOLDED, facts={**FACTS, "proven_at": None}),
            ["nothing has been folded yet: host:1 has not ended its first replay"],
        ),
        (replace(WELL, living=[]), ["no worker lives (before: host:1): start a worker"]),
        (
            replace(WELL, living=[], partitions=[replace(FOLDED, end=12, readable=12)]),
            ["no worker lives", "2 records of the log are unread, and nobody reads the log"],
        ),
        (replace(WELL, facts=OLD), ["the last proof is 61 s old, and no window closes: the log of"]),
        (replace(WELL, facts={**FACTS, "proven_at": None}), ["nothing is proven yet, and no window closes"]),
        (
            replace(WELL, facts=OLD, partitions=[FOLDED, replace(FOLDED, partition=1, claimed=20)]),
            ["the last proof is 61 s old, and no window closes: partitions [1] are being replayed"],
        ),
        (
            replace(
                WELL, partitions=[FOLDED, replace(FOLDED, partition=1, worker="host:2", flushed_ago=75.0)]
            ),
            ["partitions [1] were last flushed 75 s ago by host:2, which lives no more"],
        ),
        (
            replace(WELL, partitions=[replace(FOLDED, flushed_ago=75.0)]),
            ["partitions [0] were last flushed 75 s ago by host:1, which lives: see its log"],
        ),
        (
            replace(WELL, partitions=[replace(FOLDED, flushed_ago=75.0, claimed=20)]),
            ["partitions [0] were last flushed 75 s ago by host:1, which replays the log"],
        ),
        (replace(WELL, stuck=[1]), ["partitions [1] have unread records, and their positions stand"]),
        (
            replace(WELL, facts=reconciled("different", 12)),
            [
                "the last reconciliation, 3 h ago, found 12 differences in 40 runs: run `funnelproof reconcile`"
            ],
        ),
        (
            replace(WELL, facts=compared(2, 7300.0), doubts={"reconciliation"}),
            [
                "2 closed windows differ from the canonical SQL, the first for 2 h: run `funnelproof reconcile`"
            ],
        ),
        (
            replace(WELL, facts=compared(1, 7300.0)),
            ["1 closed window differs from the canonical SQL, for 2 h: run `funnelproof reconcile`"],
        ),
        (replace(WELL, slot=None), ["Postgres has no replication slot for the connector: run"]),
        (replace(WELL, slot={"active": True, "wal_status": "lost"}), ["the replication slot has lost WAL"]),
        (replace(WELL, has_topic=False), ["Kafka has no CDC topic: run `funnelproof connector apply`"]),
        (
            replace(WELL, facts=OLD, slot={"active": False, "wal_status": "reserved"}),
            [
                "the last proof is 61 s old",
                "the connector crm is RUNNING but does not read its replication slot",
            ],
        ),
        (
            replace(
                WELL, facts={**FACTS, "unpublished_since": NOW - timedelta(hours=3), "unpublished_events": 5}
            ),
            ["5 results wait for Kafka, the oldest for 3 h"],
        ),
    ],
)
def test_each_defect_is_named_with_its_remedy(seen: Seen, told: list[str]) -> None:
    found = list(map(str, judge(seen)))
    assert len(found) == len(told), found
    for line, begin in zip(found, told, strict=True):
        assert line.startswith(begin)


@pytest.mark.parametrize(
    ("state", "tasks", "told"),
    [
        ("ABSENT", [], "the connector crm is ABSENT: run `funnelproof connector apply`"),
        (
            "PAUSED",
            ["PAUSED"],
            "the connector crm is PAUSED: run `funnelproof connector apply`, which resumes",
        ),
        ("STOPPED", [], "the connector crm is STOPPED: run `funnelproof connector apply`, which resumes"),
        ("RUNNING", ["FAILED"], "the connector crm is FAILED (no such column): mend the cause, then run"),
        ("UNASSIGNED", ["UNASSIGNED"], "the connector crm is UNASSIGNED: see the log of Kafka Connect"),
        ("RUNNING", ["RESTARTING"], "the connector crm is RESTARTING: see the log of Kafka Connect"),
        ("RUNNING", [], "the connector crm is without a task: see the log of Kafka Connect"),
    ],
)
def test_a_connector_that_does_not_run_is_named_with_its_state(
    state: str, tasks: list[str], told: str
) -> None:
    cause = "no such column" if "FAILED" in tasks else None
    (line,) = judge(replace(WELL, connector=ConnectorStatus("crm", state, tasks, cause)))
    assert str(line).startswith(told)


@pytest.mark.parametrize("evaluator", [None, EVALUATOR])
def test_rules_that_somebody_configured_and_nobody_evaluates_are_told(
    evaluator: EvaluatorReading | None,
) -> None:
    seen = replace(WELL, alerts=Overview(evaluator), has_rules=True)
    (line,) = judge(seen)
    assert line.cause.startswith("nobody evaluates the alert rules")
    assert ("for 3 h" in line.cause) == (evaluator is not None)
    assert judge(replace(seen, has_rules=False)) == []


def test_rules_that_are_evaluated_are_no_trouble() -> None:
    assert judge(replace(WELL, alerts=Overview(replace(EVALUATOR, is_active=True)), has_rules=True)) == []


def test_a_worker_that_flushed_last_and_lives_no_more_is_known() -> None:
    seen = replace(WELL, partitions=[FOLDED, replace(FOLDED, worker="host:2")])
    assert seen.gone == ["host:2"]
    assert WELL.gone == []
    assert replace(seen, living=None).gone == []


def test_a_length_of_time_is_told_in_the_unit_that_fits() -> None:
    assert [spell(seconds) for seconds in (1.4, 75, 600, 10_800, 300_000)] == [
        "1 s",
        "75 s",
        "10 min",
        "3 h",
        "3 days",
    ]
