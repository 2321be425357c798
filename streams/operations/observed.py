"""Flushes and publications that are counted as they happen."""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from streams.domain.pairs import StagePairs
from streams.domain.proof import Proof
from streams.domain.tally import TallyKey
from streams.domain.windows import Window
from streams.fold.checkpoint import Checkpoint, Checkpoints
from streams.fold.partials import Flushed, Partials, PartitionFlush, Takeover
from streams.operations.metrics import Metrics
from streams.publish.closing import Closing, Published
from streams.store.database import PASSING_ERRORS, Pool
from streams.store.epoch import Epoch


class ObservedPartials(Partials):
    """Partials that know when Postgres answered last (`answered_at`, of `time.monotonic`), and why it does not."""

    def __init__(self, pool: Pool, epoch: Epoch, worker: str, metrics: Metrics) -> None:
        super().__init__(pool, epoch, worker)
        self._metrics = metrics
        self.answered_at: float | None = None
        self.trouble: str | None = None

    async def claim(self, partition: int, end: int) -> Takeover:
        """Take a partition over; see Partials."""
        takeover = await super().claim(partition, end)
        self._answered()
        return takeover

    async def read(self, partition: int) -> dict[TallyKey, int]:
        """Return what Postgres holds; see Partials."""
        known = await super().read(partition)
        self._answered()
        return known

    async def flush(self, flushes: Sequence[PartitionFlush]) -> Flushed:
        """Write what can be accepted; see Partials."""
        metrics = self._metrics
        began = time.monotonic()
        try:
            flushed = await super().flush(flushes)
        except PASSING_ERRORS as error:
            metrics.flushes.labels("failed").inc(len(flushes))
            self.trouble = str(error) or repr(error)
            raise
        self._answered()
        metrics.flush_seconds.observe(time.monotonic() - began)
        metrics.flushes.labels("accepted").inc(len(flushed.accepted))
        metrics.flushes.labels("refused").inc(len(flushed.refused))
        metrics.flushes.labels("astray").inc(len(flushed.astray))
        metrics.flushed_counts.inc(
            sum(len(flush.delta.counts) for flush in flushes if flush.partition in flushed.accepted)
        )
        metrics.ignored_changes.inc(flushed.ignored)
        return flushed

    def _answered(self) -> None:
        self.answered_at = time.monotonic()
        self.trouble = None


class ObservedClosing(Closing):
    """A Closing whose proofs and publications are counted."""

    def __init__(
        self,
        pool: Pool,
        epoch: Epoch,
        debounce: timedelta,
        worker: str,
        metrics: Metrics,
        *,
        stage_pairs: StagePairs | None = None,
        dormant_after: timedelta = timedelta(0),
    ) -> None:
        super().__init__(pool, epoch, debounce, worker, stage_pairs=stage_pairs, dormant_after=dormant_after)
        self._metrics = metrics

    async def publish(self, proof: Proof, windows: Sequence[Window]) -> Published:
        """Close and revise; see Closing."""
        began = time.monotonic()
        published = await super().publish(proof, windows)
        metrics = self._metrics
        metrics.proof_seconds.labels("publish").observe(time.monotonic() - began)
        if published.windows:
            metrics.proof_seconds.labels("barrier").observe(proof.barrier_seconds)
        metrics.proofs.labels(published.completeness or "superseded").inc()
        metrics.proof_seconds.labels("marker").observe(proof.marker_seconds)
        metrics.proof_seconds.labels("progress").observe(proof.progress_seconds)
        metrics.windows_closed.inc(published.windows)
        metrics.runs.labels("first").inc(published.closed_runs)
        metrics.runs.labels("revision").inc(published.revised_runs)
        return published


class ObservedCheckpoints(Checkpoints):
    """Checkpoints that are counted. `written` has when (of `time.time`) and how large each partition's newest is.

    `failing` are the partitions whose last one could not be written.
    """

    def __init__(self, folder: Path, epoch: UUID, metrics: Metrics) -> None:
        super().__init__(folder, epoch)
        self._metrics = metrics
        self.written: dict[int, tuple[float, int]] = {}
        self.failing: set[int] = set()

    def write(self, partition: int, checkpoint: Checkpoint) -> bool:
        """Replace the partition's checkpoint; see Checkpoints."""
        written = super().write(partition, checkpoint)
        (self.failing.discard if written else self.failing.add)(partition)
        self._metrics.checkpoints.labels("written" if written else "failed").inc()
        self._look_at(partition)
        return written

    def read(self, partition: int) -> Checkpoint | None:
        """Return the partition's checkpoint; see Checkpoints."""
        found = super().read(partition)
        if found is not None:
            self._look_at(partition)
        return found

    def _look_at(self, partition: int) -> None:
        with suppress(OSError):
            file = self.path(partition).stat()
            self.written[partition] = file.st_mtime, file.st_size
