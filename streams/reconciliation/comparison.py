"""Compares closed windows with the canonical SQL, exact to the count, a bounded number of windows at a time.

Writes go on during a comparison, so a difference may be mere lag. The sieve passes over all windows once, and lets the
runs through that equal the canonical counts: nearly all. The rounds decide about the others. A run that is still in
flux when patience ends is undecided.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import asyncpg

from streams.completeness.markers import MarkerMissingError
from streams.completeness.proving import ProgressMissingError
from streams.errors import PreconditionError
from streams.reconciliation.batches import Batch, in_batches
from streams.reconciliation.reader import Reader, ReplicaBehindError
from streams.reconciliation.result import ClosedRun, Key, ReconcileResult
from streams.reconciliation.rounds import Rounds
from streams.reconciliation.sieve import open_sieve
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Pool

OnProgress = Callable[[int, int], None]
"""A callback with the number of compared runs, and the number of runs to compare."""
_PAUSE = 0.5


class Comparison:
    """A single comparison of the closed windows in `scope`.

    `prove()` returns once every change visible in the source at the call is in the partials, and `reader` has
    everything from before the call. `on_progress` is called after each batch, with the number of compared runs and the
    number of runs to compare; the latter counts all pipelines, even where `scope` has a single pipeline. `batches` are
    the windows that were compared, and `snapshot` is the last snapshot of a batch.
    """

    def __init__(
        self,
        reader: Reader,
        report: Pool,
        prove: Callable[[], Awaitable[object]],
        scope: ClosedScope,
        on_progress: OnProgress = lambda *_: None,
    ) -> None:
        self._reader = reader
        self._report = report
        self._prove = prove
        self.scope = scope
        self.snapshot = ""
        self.batches: Sequence[Batch] = ()
        self._on_progress = on_progress
        self._runs = 0
        self._pairs = 0

    async def run(self, patience: timedelta, batches: Sequence[Batch] | None = None) -> ReconcileResult:
        """Compare every run once, and a run in flux again and again; `patience` begins after the first pass.

        `batches` are the windows to compare; None means every closed window in `scope`.
        Raises PreconditionError if a single window takes the source longer than the reader's timeout.
        """
        held: dict[Key, datetime] = {}
        rounds = None
        try:
            await self._prove()
            self.batches = await self._all_batches() if batches is None else batches
            held = await self._sift(self.batches)
            rounds = Rounds(self._reader, self._report, self._prove, held)
            await self._settle(rounds, patience)
            return self._result(rounds, await rounds.runs())
        except (MarkerMissingError, ProgressMissingError, ReplicaBehindError) as error:
            rounds = rounds or Rounds(self._reader, self._report, self._prove, held)
            return self._result(rounds, await rounds.runs(), f"nothing can be compared: {error}")

    async def _sift(self, batches: Sequence[Batch]) -> dict[Key, datetime]:
        held: dict[Key, datetime] = {}
        expected = sum(batch.runs for batch in batches)
        waiting = deque(batches)
        async with open_sieve(self._report, self._reader, self.scope) as sieve:
            while waiting:
                batch = waiting.popleft()
                try:
                    sifted = await sieve.sift(batch)
                except (asyncpg.QueryCanceledError, asyncpg.SerializationError) as error:
                    waiting.extendleft(reversed(_divided(batch, error)))
                    continue
                self.snapshot = sieve.snapshot
                self._runs += sifted.runs
                self._pairs += sifted.pairs
                held |= sifted.held
                self._on_progress(self._runs, max(expected, self._runs))
        return held

    async def _settle(self, rounds: Rounds, patience: timedelta) -> None:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + patience.total_seconds()
        while rounds.left:
            await rounds.round()
            if not rounds.left or (loop.time() >= give_up and not rounds.suspicious):
                return
            await asyncio.sleep(_PAUSE)

    async def _all_batches(self) -> list[Batch]:
        scope = self.scope
        rows = await self._report.fetch(
            sql("queries/reconciliation/reconcile_windows"), scope.window_name, scope.start, scope.end
        )
        return in_batches(map(tuple, rows))

    def _result(self, rounds: Rounds, left: list[ClosedRun], reason: str | None = None) -> ReconcileResult:
        missed = {each.run.key: each.run for each in rounds.different if each.run.run_id is None}
        open_runs = [run for run in left if run.run_id]
        runs = self._runs - len(open_runs) + len(missed)
        pairs = self._pairs + sum(len(run.pairs) for run in missed.values())
        if not runs and not left and reason is None:
            reason = "no closed window in scope: there is nothing to compare"
        return ReconcileResult(
            runs,
            pairs - sum(len(run.pairs) for run in open_runs),
            tuple(rounds.different),
            tuple(left),
            reason,
        )


def _divided(batch: Batch, error: asyncpg.PostgresError) -> list[Batch]:
    """Return the halves of a batch that took too long, or that the replay of a replica has cut off."""
    if len(batch.starts) > 1:
        return list(batch.halves())
    what = f"the windows {batch.kind} from {batch.starts[0].isoformat()} could not be counted ({error})"
    if isinstance(error, asyncpg.SerializationError):
        raise PreconditionError(f"{what}: raise max_standby_streaming_delay of the replica") from error
    raise PreconditionError(
        f"{what}: raise FUNNELPROOF_RECONCILE_TIMEOUT, or have the CRM's database make an index: "
        "create index concurrently on dyno_crm.deal_pipeline_stage_state (entered_at)"
    ) from error
