"""Every metric of a process of reconciliation. docs/operations.md says how to react to each metric.

Rounds are counted as they end. The ledger and the lag are read at each scrape.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from streams.operations.exposition import process_registry
from streams.operations.ledger_metrics import of_the_ledger
from streams.reconciliation import OUTCOMES, Job, LedgerReading, Round

_ROUND_BUCKETS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class ReconcileReading:
    """A process of reconciliation at a moment.

    `lag` is the time in seconds by which the next successful round is late; None in a process that stands by. `ledger`
    is None without an answer of Postgres.
    """

    cycle: float = 0.0
    lag: float | None = None
    trouble: str | None = None
    ledger: LedgerReading | None = None


def read_job(job: Job, ledger: LedgerReading | None, now: float) -> ReconcileReading:
    """Return the values of a process at `now` (of `time.monotonic`)."""
    cycle = job.every.total_seconds()
    lag = None if job.compares_since is None else max(0.0, now - job.compares_since - cycle)
    return ReconcileReading(cycle, lag, job.trouble.why, ledger)


class ReconcileMetrics:
    """The counters of a process of reconciliation. `registry` adds the metrics of the process and of `reading`.

    `clock` is `time.time`.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        registry = self.registry = process_registry()
        # undecided: windows changed all the time, or no proof came. failed: a server was away, or no worker lived.
        self.rounds = Counter(
            "funnelproof_reconciliation_rounds_total", "Rounds by outcome.", ["outcome"], registry=registry
        )
        for outcome in OUTCOMES:
            self.rounds.labels(outcome)
        self.runs = Counter("funnelproof_reconciliation_runs_total", "Runs compared.", registry=registry)
        # Rounds that compared windows. The rests for the sake of the CRM are part of a round.
        self.round_seconds = Histogram(
            "funnelproof_reconciliation_duration_seconds",
            "How long rounds took.",
            buckets=_ROUND_BUCKETS,
            registry=registry,
        )
        # The load on the CRM: at most FUNNELPROOF_RECONCILE_SHARE percent of the time.
        self.source_seconds = Counter(
            "funnelproof_reconciliation_source_seconds_total",
            "Time in which snapshots of the CRM were held.",
            registry=registry,
        )
        self.reading = ReconcileReading()
        self._clock = clock
        self._succeeded_at: float | None = None
        registry.register(self)

    def count_round(self, done: Round) -> None:
        """Count a round; see OnRound."""
        self.rounds.labels(done.outcome).inc()
        self.runs.inc(done.runs)
        self.source_seconds.inc(done.source_seconds)
        if done.outcome not in ("nothing_due", "failed"):
            self.round_seconds.observe(done.seconds)
        if done.is_success:
            self._succeeded_at = self._clock()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of `reading`, for the registry."""
        now = self.reading
        # One process of an installation compares; others stand by with 0.
        yield GaugeMetricFamily(
            "funnelproof_reconciliation_comparing",
            "Whether this process compares.",
            value=now.lag is not None,
        )
        yield GaugeMetricFamily(
            "funnelproof_reconciliation_cycle_seconds", "The time between two rounds.", value=now.cycle
        )
        if now.lag is not None:
            yield GaugeMetricFamily(
                "funnelproof_reconciliation_lag_seconds",
                "How late the next round without a window left over is.",
                value=now.lag,
            )
        if self._succeeded_at is not None:
            yield GaugeMetricFamily(
                "funnelproof_reconciliation_last_success_timestamp_seconds",
                "When the last round ended that left no window over.",
                value=self._succeeded_at,
            )
        if now.ledger is not None:
            yield from of_the_ledger(now.ledger)
