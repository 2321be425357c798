"""The metrics of the ledger of comparisons, shown by the prover and by the process of reconciliation alike."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from streams.reconciliation.ledger import LedgerReading


def of_the_ledger(ledger: LedgerReading) -> Iterator[Metric]:
    """Yield the gauges of the ledger. A window counts once, with all its pipelines."""
    # An alert on a difference needs no more than this gauge.
    yield GaugeMetricFamily(
        "funnelproof_windows_different",
        "Closed windows unlike the canonical SQL at their last comparison.",
        value=ledger.different,
    )
    yield GaugeMetricFamily(
        "funnelproof_windows_never_compared",
        "Closed windows that were not compared yet.",
        value=ledger.never_compared,
    )
    # While `reconcile --every` runs, hardly more than the time between two rounds.
    yield GaugeMetricFamily(
        "funnelproof_windows_uncompared_age_seconds",
        "How long the first window waits that was never compared, or revised since.",
        value=ledger.uncompared_age or 0.0,
    )
    if ledger.oldest_age is not None:
        # While `reconcile --every` runs, at most a week.
        yield GaugeMetricFamily(
            "funnelproof_oldest_comparison_age_seconds",
            "Age of the comparison that is longest ago.",
            value=ledger.oldest_age,
        )
