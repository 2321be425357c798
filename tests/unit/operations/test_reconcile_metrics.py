"""The metrics of a process of reconciliation, its lag, and its health."""

from datetime import timedelta

import pytest

from streams.operations.reconcile_metrics import ReconcileMetrics, ReconcileReading, read_job
from streams.operations.reconcile_site import troubles, warnings
from streams.reconciliation import Job, LedgerReading, Round
from streams.settings import Settings
from tests.unit.operations import scrapes

LEDGER = LedgerReading(40, 3, 7200.0, 2, 60.0, 480.0)
ROUNDS = (
    Round("different", 12, 3.0, 0.4),
    Round("equal", 30, 2.0, 0.2),
    Round("nothing_due", seconds=0.1),
    Round("failed", seconds=10.0),
)


def full() -> ReconcileMetrics:
    metrics = ReconcileMetrics(lambda: 1795435200.0)
    for each in ROUNDS:
        metrics.count_round(each)
    metrics.reading = ReconcileReading(900.0, 5.0, None, LEDGER)
    return metrics


def test_a_scrape_shows_rounds_lag_and_ledger() -> None:
    samples = scrapes.shown(full().registry)
    expected = {
        "funnelproof_reconciliation_rounds_total['different']": 1,
        "funnelproof_reconciliation_rounds_total['nothing_due']": 1,
        "funnelproof_reconciliation_rounds_total['failed']": 1,
        "funnelproof_reconciliation_rounds_total['undecided']": 0,
        "funnelproof_reconciliation_runs_total": 42,
        "funnelproof_reconciliation_duration_seconds_count": 2,
        "funnelproof_reconciliation_duration_seconds_sum": 5,
        "funnelproof_reconciliation_source_seconds_total": pytest.approx(0.6),
        "funnelproof_reconciliation_comparing": 1,
        "funnelproof_reconciliation_cycle_seconds": 900,
        "funnelproof_reconciliation_lag_seconds": 5,
        "funnelproof_reconciliation_last_success_timestamp_seconds": 1795435200,
        "funnelproof_windows_different": 2,
        "funnelproof_windows_never_compared": 3,
        "funnelproof_windows_uncompared_age_seconds": 480,
        "funnelproof_oldest_comparison_age_seconds": 7200,
    }
    assert {name: samples[name] for name in expected} == expected


def test_a_process_that_stands_by_has_no_lag_and_what_postgres_did_not_tell_is_absent() -> None:
    samples = scrapes.shown(ReconcileMetrics().registry)
    assert samples["funnelproof_reconciliation_comparing"] == 0
    absent = ("funnelproof_reconciliation_lag", "funnelproof_reconciliation_last", "funnelproof_windows")
    assert [name for name in samples if name.startswith(absent)] == []


@pytest.mark.parametrize("outcome", ["undecided", "failed"])
def test_a_round_that_left_windows_over_is_no_success(outcome: str) -> None:
    metrics = ReconcileMetrics()
    metrics.count_round(Round(outcome))  # type: ignore[arg-type]  # a parameter of the test
    assert "funnelproof_reconciliation_last_success_timestamp_seconds" not in scrapes.shown(metrics.registry)


def test_the_lag_begins_a_cycle_after_the_last_success() -> None:
    job = Job(Settings(), timedelta(minutes=15))
    assert read_job(job, None, 5000.0).lag is None
    job.compares_since = 1000.0
    assert read_job(job, None, 1900.0).lag == 0
    assert read_job(job, None, 2000.0).lag == 100


def test_a_process_fails_when_it_cannot_compare_and_else_only_warns() -> None:
    assert troubles(ReconcileReading(900, 0, "no worker lives", LEDGER)) == [
        "closed windows cannot be compared: no worker lives"
    ]
    assert troubles(ReconcileReading(900, 0)) == ["the report database gives no answer"]
    late = ReconcileReading(900, 1000, None, LEDGER)
    assert troubles(late) == []
    assert [each[:30] for each in warnings(late)] == [
        "2 closed windows differ from t",
        "the last round that compared e",
    ]
    assert warnings(ReconcileReading(900, 800, None, LedgerReading(40, 3, 7200.0, 0, None))) == []
