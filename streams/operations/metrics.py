"""Every metric of a worker, in a registry of its own. docs/operations.md says how to react to each metric.

Flushes and proofs are counted as they happen. Records and state change too often for counters; the metrics of records
and state are plain numbers, read at each scrape.
"""

from collections.abc import Iterator, Sequence

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from streams.domain.proof import Proof
from streams.fold.partials import Flushed, PartitionFlush
from streams.operations.exposition import process_registry
from streams.operations.ledger_metrics import of_the_ledger
from streams.operations.reading import Reading
from streams.publish.closing import Published
from streams.publish.pruning import PRUNED
from streams.store.doubts import REMEDIES

_FLUSH_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_PROOF_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """The counters of a worker. `registry` adds the metrics of the process and of `reading`."""

    def __init__(self) -> None:
        registry = self.registry = process_registry()

        # One for each partition of a flush. refused: another worker has taken the partition over. astray: Postgres is
        # not in the state of the last flush, and every count is compared. failed: no answer, the flush is tried again.
        self.flushes = Counter(
            "funnelproof_flushes_total",
            "Flushed partitions by what Postgres made of them.",
            ["result"],
            registry=registry,
        )
        _begin_at_zero(self.flushes, "accepted", "refused", "astray", "failed")
        # Inserted and updated rows of funnelproof.partial.
        self.flushed_counts = Counter(
            "funnelproof_flushed_counts_total", "Counts written to Postgres.", registry=registry
        )
        # One for each flush, pipeline and sealed window.
        self.ignored_changes = Counter(
            "funnelproof_ignored_changes_total", "Late changes of sealed windows.", registry=registry
        )
        # A flush is a single transaction for all partitions of the worker. Failed flushes are left out.
        self.flush_seconds = Histogram(
            "funnelproof_flush_duration_seconds",
            "How long flushes took.",
            buckets=_FLUSH_BUCKETS,
            registry=registry,
        )

        # failed: no room, or no right to write. The worker goes on, and a restart replays more.
        self.checkpoints = Counter(
            "funnelproof_checkpoints_total", "Checkpoints by result.", ["result"], registry=registry
        )
        _begin_at_zero(self.checkpoints, "written", "failed")

        # From here on, counters stay 0 in a worker that is not the prover.

        # estimated: with doubts, named by `status`. superseded: another prover was faster, and nothing was published.
        self.proofs = Counter(
            "funnelproof_proofs_total", "Proofs by what they were worth.", ["completeness"], registry=registry
        )
        _begin_at_zero(self.proofs, "proven", "estimated", "superseded")
        # barrier: the wait of closed windows for writers. marker: the way from the source's log through Connect to
        # Kafka. progress: the wait until every worker had folded up to the marker. publish: the closing transaction.
        self.proof_seconds = Histogram(
            "funnelproof_proof_duration_seconds",
            "How long the parts of a proof took.",
            ["part"],
            buckets=_PROOF_BUCKETS,
            registry=registry,
        )
        _begin_at_zero(self.proof_seconds, "barrier", "marker", "progress", "publish")
        self.windows_closed = Counter(
            "funnelproof_windows_closed_total", "Windows closed, of all pipelines at once.", registry=registry
        )
        # first: a pipeline's first result of a window. revision: a later result, for example after a correction.
        self.runs = Counter(
            "funnelproof_runs_published_total", "Runs published by kind.", ["kind"], registry=registry
        )
        _begin_at_zero(self.runs, "first", "revision")

        # Rows past the retention and rows that nobody needs, by kind.
        self.pruned_rows = Counter(
            "funnelproof_pruned_rows_total", "Rows deleted by retention.", ["what"], registry=registry
        )
        _begin_at_zero(self.pruned_rows, *PRUNED)

        self.reading = Reading()
        registry.register(self)

    def count_flush(self, flushes: Sequence[PartitionFlush], flushed: Flushed | None, seconds: float) -> None:
        """Count a flush by its result; see OnFlush."""
        if flushed is None:
            self.flushes.labels("failed").inc(len(flushes))
            return
        self.flush_seconds.observe(seconds)
        self.flushes.labels("accepted").inc(len(flushed.accepted))
        self.flushes.labels("refused").inc(len(flushed.refused))
        self.flushes.labels("astray").inc(len(flushed.astray))
        self.flushed_counts.inc(
            sum(len(flush.delta.profiles) for flush in flushes if flush.partition in flushed.accepted)
        )
        self.ignored_changes.inc(flushed.ignored)

    def count_checkpoint(self, written: bool) -> None:
        """Count a checkpoint, written or failed."""
        self.checkpoints.labels("written" if written else "failed").inc()

    def count_published(self, proof: Proof, published: Published, seconds: float) -> None:
        """Count a proof and the publication on the proof's strength; see OnPublished."""
        self.proof_seconds.labels("publish").observe(seconds)
        if published.windows:
            self.proof_seconds.labels("barrier").observe(proof.barrier_seconds)
        self.proofs.labels(published.completeness or "superseded").inc()
        self.proof_seconds.labels("marker").observe(proof.marker_seconds)
        self.proof_seconds.labels("progress").observe(proof.progress_seconds)
        self.windows_closed.inc(published.windows)
        self.runs.labels("first").inc(published.closed_runs)
        self.runs.labels("revision").inc(published.revised_runs)

    def count_pruned(self, what: str, rows: int) -> None:
        """Count deleted rows by kind (of PRUNED)."""
        self.pruned_rows.labels(what).inc(rows)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of `reading`, for the registry."""
        yield from _of_the_log(self.reading)
        yield from _of_the_servers(self.reading)
        yield from _of_the_prover(self.reading)


def _begin_at_zero(metric: Counter | Histogram, *labels: str) -> None:
    """Show every label from the start: a rate needs a value before the first event."""
    for label in labels:
        metric.labels(label)


def _of_the_log(now: Reading) -> Iterator[Metric]:
    # changed: an entry came, moved or went. unchanged: no entry changed (an exit, a redelivery, a tombstone).
    # dead_letter: the record could not be applied. A takeover replays records, and counts the records again.
    records = CounterMetricFamily("funnelproof_records", "Records read by what they did.", labels=["effect"])
    records.add_metric(["changed"], now.changes)
    records.add_metric(["unchanged"], now.records - now.changes - now.dead_letters)
    records.add_metric(["dead_letter"], now.dead_letters)
    yield records
    # replaying: the partition has not reached the log's end, and publishes nothing yet.
    held = GaugeMetricFamily("funnelproof_partitions", "Partitions held by state.", labels=["state"])
    held.add_metric(["active"], len(now.partitions) - now.replaying)
    held.add_metric(["replaying"], now.replaying)
    yield held
    # Deals with rows in the state, deleted rows included: memory grows with the number of deals.
    yield GaugeMetricFamily(
        "funnelproof_deals", "Deals held.", value=sum(each.deals for each in now.partitions.values())
    )
    positions = GaugeMetricFamily(
        "funnelproof_partition_position", "Offset folded up to.", labels=["partition"]
    )
    # Records between the position and the log's end, control records included; absent without an answer of Kafka.
    lags = GaugeMetricFamily("funnelproof_partition_lag_records", "Records to be read.", labels=["partition"])
    for number, partition in sorted(now.partitions.items()):
        positions.add_metric([str(number)], partition.position)
        if partition.end is not None:
            lags.add_metric([str(number)], max(0, partition.end - partition.position))
    yield positions
    yield lags
    yield from _of_the_checkpoints(now)


def _of_the_checkpoints(now: Reading) -> Iterator[Metric]:
    ages = GaugeMetricFamily(
        "funnelproof_checkpoint_age_seconds", "Age of the newest checkpoint.", labels=["partition"]
    )
    sizes = GaugeMetricFamily(
        "funnelproof_checkpoint_bytes", "Size of the newest checkpoint.", labels=["partition"]
    )
    # A partition without a checkpoint has no value.
    for number, checkpoint in sorted(now.checkpoints.items()):
        ages.add_metric([str(number)], checkpoint.age)
        sizes.add_metric([str(number)], checkpoint.size)
    yield ages
    yield sizes


def _of_the_servers(now: Reading) -> Iterator[Metric]:
    # 0 while a flush or a takeover is tried again.
    postgres = now.postgres_trouble is None and now.takeover_trouble is None
    yield GaugeMetricFamily("funnelproof_postgres_up", "Whether Postgres takes flushes.", value=postgres)
    if now.kafka_answers is not None:
        # The lag needs the log's ends: 1 if Kafka has answered the question for the ends.
        yield GaugeMetricFamily("funnelproof_kafka_up", "Whether Kafka answers.", value=now.kafka_answers)
    # The worker that holds partition 0 proves and closes, a single worker of an installation.
    yield GaugeMetricFamily(
        "funnelproof_prover", "Whether this worker proves.", value=now.unproven is not None
    )


def _of_the_prover(now: Reading) -> Iterator[Metric]:
    if now.proven_until is not None:
        # By the source's clock: everything committed before is in the counts. The age tells how fresh results are.
        yield GaugeMetricFamily(
            "funnelproof_proven_until_timestamp_seconds",
            "When the last proof began.",
            value=now.proven_until.timestamp(),
        )
    if now.overdue is not None:
        # 0 while no window is due. The value keeps growing while no proof succeeds.
        yield GaugeMetricFamily(
            "funnelproof_window_overdue_seconds",
            "How long the oldest due window has waited to be closed.",
            value=now.overdue,
        )
    if now.unproven is not None:
        yield from _of_the_doubts(now)
    if now.ledger is not None:
        yield from of_the_ledger(now.ledger)
    if now.unpublished is not None:
        # Runs committed in Postgres, but not confirmed by Kafka yet.
        yield GaugeMetricFamily(
            "funnelproof_outbox_unpublished", "Events that wait for Kafka.", value=now.unpublished
        )
    # An event for each run; 0 in a worker that is not the prover.
    yield CounterMetricFamily("funnelproof_events_published", "Events Kafka has confirmed.", now.published)
    # FUNNELPROOF_LABELS_SQL could not be run, or gave rows that are no labels. `status` says which.
    yield CounterMetricFamily(
        "funnelproof_label_failures", "Looks at the CRM's labels that met a mistake.", now.label_failures
    )


def _of_the_doubts(now: Reading) -> Iterator[Metric]:
    # 1 while results are estimates because of a doubt of the kind; `status` says more.
    doubts = GaugeMetricFamily("funnelproof_doubts", "Unresolved doubts.", labels=["kind"])
    unresolved = {doubt.kind for doubt in now.doubts}
    for kind in sorted(REMEDIES.keys() | {"privilege"} | unresolved):
        doubts.add_metric([kind], kind in unresolved)
    yield doubts
    # Absent once the transaction has ended, or the windows were closed without a further wait.
    holding = GaugeMetricFamily(
        "funnelproof_holding_transaction_seconds",
        "Age of transactions that due windows wait for.",
        labels=["pid", "user", "application"],
    )
    for each in now.held_by:
        holding.add_metric([str(each.pid or ""), each.user or "", each.application or ""], each.age or 0.0)
    yield holding
