from datetime import UTC, datetime

import pytest

from streams.domain.proof import OpenTransaction
from streams.operations.metrics import Metrics
from streams.operations.reading import CheckpointReading, PartitionReading, Reading
from streams.reconciliation.ledger import LedgerReading
from streams.store.doubts import Doubt
from tests.unit.operations import scrapes

PROVER = Reading(
    partitions={
        0: PartitionReading(position=10, active=True, deals=3, end=14),
        1: PartitionReading(position=7, active=True, deals=2, end=7),
        2: PartitionReading(position=1, active=False, deals=1),
    },
    records=20,
    changes=12,
    dead_letters=1,
    silent=0.1,
    kafka_answers=True,
    unproven=0.4,
    proven_until=datetime(2026, 11, 23, 12, tzinfo=UTC),
    overdue=2.5,
    doubts=[Doubt("slot", "it was moved", "begin anew")],
    held_by=[OpenTransaction("3/7", 42, None, "crm", "import", 61.0)],
    checkpoints={0: CheckpointReading(60.0, 4096)},
    label_failures=5,
    ledger=LedgerReading(40, 3, 7200.0, 2, 60.0, 480.0),
    published=40,
    unpublished=3,
)


def shown(reading: Reading) -> dict[str, float]:
    """Scrape a worker with this reading."""
    metrics = Metrics()
    metrics.reading = reading
    return scrapes.shown(metrics.registry)


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ("funnelproof_records_total['changed']", 12),
        ("funnelproof_records_total['unchanged']", 7),
        ("funnelproof_records_total['dead_letter']", 1),
        ("funnelproof_partitions['active']", 2),
        ("funnelproof_partitions['replaying']", 1),
        ("funnelproof_partition_position['0']", 10),
        ("funnelproof_partition_lag_records['0']", 4),
        ("funnelproof_partition_lag_records['1']", 0),
        ("funnelproof_deals", 6),
        ("funnelproof_checkpoint_age_seconds['0']", 60),
        ("funnelproof_checkpoint_bytes['0']", 4096),
        ("funnelproof_postgres_up", 1),
        ("funnelproof_kafka_up", 1),
        ("funnelproof_prover", 1),
        ("funnelproof_proven_until_timestamp_seconds", 1795435200),
        ("funnelproof_window_overdue_seconds", 2.5),
        ("funnelproof_doubts['slot']", 1),
        ("funnelproof_doubts['marker']", 0),
        ("funnelproof_doubts['privilege']", 0),
        ("funnelproof_holding_transaction_seconds['42', 'crm', 'import']", 61),
        ("funnelproof_windows_different", 2),
        ("funnelproof_windows_never_compared", 3),
        ("funnelproof_oldest_comparison_age_seconds", 7200),
        ("funnelproof_windows_uncompared_age_seconds", 480),
        ("funnelproof_outbox_unpublished", 3),
        ("funnelproof_events_published_total", 40),
        ("funnelproof_label_failures_total", 5),
        ("funnelproof_flushes_total['failed']", 0),
        ("funnelproof_runs_published_total['revision']", 0),
    ],
)
def test_a_scrape_shows(sample: str, value: float) -> None:
    assert shown(PROVER)[sample] == value


def test_what_is_not_known_is_absent_and_not_zero() -> None:
    assert "funnelproof_partition_lag_records['2']" not in shown(PROVER)
    idle = shown(Reading())
    assert idle["funnelproof_prover"] == 0
    assert "funnelproof_kafka_up" not in idle
    assert "funnelproof_proven_until_timestamp_seconds" not in idle
    assert "funnelproof_window_overdue_seconds" not in idle
    assert not [name for name in idle if name.startswith("funnelproof_doubts")]
    assert "funnelproof_outbox_unpublished" not in idle
    assert "funnelproof_windows_different" not in idle


@pytest.mark.parametrize(
    "reading", [Reading(takeover_trouble="refused"), Reading(postgres_trouble="refused")]
)
def test_postgres_is_down_while_it_is_asked_again(reading: Reading) -> None:
    assert shown(reading)["funnelproof_postgres_up"] == 0


def test_two_workers_of_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.windows_closed.inc()
    assert other.registry.get_sample_value("funnelproof_windows_closed_total") == 0
