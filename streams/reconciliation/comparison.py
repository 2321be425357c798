"""Compares closed windows with the canonical SQL, exact to the count, a bounded number of windows at a time.

Writes go on during a comparison, so a difference may be mere lag. A round therefore has four steps: read the runs,
read the source in a single snapshot, prove that the partials hold everything of the snapshot, read the runs again.
A run is quiet if the run and its partials are unchanged between the two reads, and no revision is due. A quiet run
had nothing to catch up with. A difference counts if a run is quiet and different in two rounds in a row. A run in
flux is compared again in the next round. A run that is still in flux when patience ends is undecided.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from streams.completeness.markers import MarkerMissingError
from streams.completeness.proving import ProgressMissingError
from streams.reconciliation.canonical import Canonical, Key, canonical_counts
from streams.reconciliation.result import (
    ClosedRun,
    Difference,
    Pair,
    ReconcileResult,
    differences_of,
)
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection, Pool

RUNS_AT_ONCE = 5000
"""The most runs that are compared in a snapshot, for bounded memory and short snapshots.

A single start of windows with more runs is not divided.
"""
OnProgress = Callable[[int, int], None]
"""A callback with the number of compared runs, and the number of runs to compare."""
_PAUSE = 0.5
_CONFIRMATIONS = 2


@dataclass
class _Batch:
    """The windows of a kind that start in `[start, before)`; `before` None means without a bound.

    `decided` are the runs already judged. `suspicions` count the rounds in a row in which a run was quiet and
    different. `unreported` are windows of pipelines that have entries in the CRM, and seem to have no run.
    """

    kind: str
    start: datetime
    before: datetime | None
    decided: set[Key] = field(default_factory=set)
    suspicions: Counter[Key] = field(default_factory=Counter)
    unreported: dict[Key, ClosedRun] = field(default_factory=dict)


class Comparison:
    """A single comparison of the closed windows in `scope`.

    `prove()` returns once every change visible in `source` at the call is in the partials. `snapshot` is the last
    snapshot of the source that was read. `on_progress` is called after each batch, with the number of compared runs and
    the number of runs to compare; the latter counts all pipelines, even where `scope` has a single pipeline.
    """

    def __init__(
        self,
        source: Connection,
        report: Pool,
        prove: Callable[[], Awaitable[object]],
        scope: ClosedScope,
        on_progress: OnProgress = lambda *_: None,
    ) -> None:
        self._source = source
        self._report = report
        self._prove = prove
        self.scope = scope
        self.snapshot = ""
        self._on_progress = on_progress
        self._expected = 0
        self._runs = 0
        self._pairs = 0
        self._different: list[Difference] = []

    async def run(self, patience: timedelta) -> ReconcileResult:
        """Compare every run once, and a run in flux again and again; `patience` begins after the first round."""
        loop = asyncio.get_running_loop()
        batches: list[_Batch] = []
        give_up = None
        try:
            await self._prove()
            batches = await self._batches()
            while True:
                left: list[ClosedRun] = []
                unsettled = []
                for batch in batches:
                    if in_flux := await self._round(batch):
                        left += in_flux
                        unsettled.append(batch)
                    self._on_progress(self._runs, self._expected)
                batches = unsettled
                give_up = give_up or loop.time() + patience.total_seconds()
                # A run that was different in one round gets a further round, to confirm the difference or not.
                suspicious = any(any(batch.suspicions.values()) for batch in batches)
                if not left or (loop.time() >= give_up and not suspicious):
                    return self._result(left)
                await asyncio.sleep(_PAUSE)
        except (MarkerMissingError, ProgressMissingError) as error:
            missed = batches or await self._batches()
            left = [run for batch in missed for run in await self._undecided(batch)]
            return self._result(left, f"nothing can be compared: {error}")

    async def _batches(self) -> list[_Batch]:
        scope = self.scope
        rows = await self._report.fetch(
            sql("queries/reconciliation/reconcile_windows"), scope.window_name, scope.start, scope.end
        )
        self._expected = sum(row["runs"] for row in rows)
        batches: list[_Batch] = []
        runs = 0
        for row in rows:
            kind, start = row["window_name"], row["window_start"]
            runs += row["runs"]
            if not batches or batches[-1].kind != kind:
                batches.append(_Batch(kind, start, None))
                runs = row["runs"]
            elif runs > RUNS_AT_ONCE:
                batches[-1].before = start
                batches.append(_Batch(kind, start, None))
                runs = row["runs"]
        return batches

    async def _round(self, batch: _Batch) -> list[ClosedRun]:
        """Compare the undecided runs with a new snapshot; return the runs that are still undecided."""
        before = {run.key: run for run in await self._undecided(batch)} | batch.unreported
        canonical = await self._canonical(batch, before.values())
        fresh = {
            key: end
            for key, end in canonical.unreported.items()
            if key not in before and key not in batch.decided
        }
        batch.unreported |= await self._as_runs(fresh)
        await self._prove()
        left = []
        for run in self._with_unreported(batch, await self._undecided(batch)):
            known = before.get(run.key)
            if known is None:
                if run.key in fresh:
                    batch.suspicions[run.key] = int(run.key in batch.unreported)
                    left.append(run)
                continue  # the window closed after the round's first read
            found = differences_of(run, canonical.counts[run.key])
            if run.key in batch.unreported and not any(any(each.sql or ()) for each in found):
                del batch.unreported[run.key], batch.suspicions[run.key]  # the entries are gone again
            elif not found:
                self._decide(batch, run)
            elif self._is_confirmed(batch, known, run):
                self._decide(batch, run)
                self._different += found
            else:
                left.append(run)
        return left

    def _is_confirmed(self, batch: _Batch, known: ClosedRun, run: ClosedRun) -> bool:
        quiet = (run.written, run.run_id) == (known.written, known.run_id) and not (
            run.pending or known.pending
        )
        batch.suspicions[run.key] = batch.suspicions[run.key] + 1 if quiet else 0
        return batch.suspicions[run.key] >= _CONFIRMATIONS

    def _decide(self, batch: _Batch, run: ClosedRun) -> None:
        batch.decided.add(run.key)
        batch.suspicions.pop(run.key, None)
        batch.unreported.pop(run.key, None)
        self._runs += 1
        self._pairs += len(run.pairs)

    def _with_unreported(self, batch: _Batch, runs: list[ClosedRun]) -> list[ClosedRun]:
        for run in runs:
            batch.unreported.pop(run.key, None)  # the window has counts or a run by now
        return [*runs, *batch.unreported.values()]

    async def _undecided(self, batch: _Batch) -> list[ClosedRun]:
        scope = self.scope
        rows = await self._report.fetch(
            sql("queries/reconciliation/reconcile_runs"),
            scope.tenant_id,
            scope.pipeline_id,
            batch.kind,
            batch.start,
            scope.end,
            batch.before,
        )
        return [run for run in map(_closed_run, rows) if run.key not in batch.decided]

    async def _canonical(self, batch: _Batch, runs: Collection[ClosedRun]) -> Canonical:
        scope = self.scope
        windows = await self._report.fetch(
            sql("queries/reconciliation/reconcile_tenants"),
            scope.tenant_id,
            batch.kind,
            batch.start,
            batch.before,
            scope.end,
        )
        async with self._source.transaction(isolation="repeatable_read", readonly=True):
            self.snapshot = await self._source.fetchval("select pg_current_snapshot()::text")
            return await canonical_counts(
                self._source,
                batch.kind,
                runs,
                [(row["tenant_id"], row["window_start"], row["window_end"]) for row in windows],
                scope,
            )

    async def _as_runs(self, keys: Mapping[Key, datetime]) -> dict[Key, ClosedRun]:
        """Return a run without facts for every window, as the expected run.

        A pipeline without pairs of stages gets no run.
        """
        if not keys:
            return {}
        asked = list({key[:2] for key in keys})
        rows = await self._report.fetch(
            sql("queries/reconciliation/reconcile_pairs"),
            [each[0] for each in asked],
            [each[1] for each in asked],
        )
        pairs: dict[tuple[UUID, UUID], list[Pair]] = {}
        names: dict[UUID, str | None] = {}
        for tenant, pipeline, a, a_name, b, b_name in rows:
            pairs.setdefault((tenant, pipeline), []).append((a, b))
            names |= {a: a_name, b: b_name}
        return {
            key: ClosedRun(None, *key, end, 0, tuple(pairs[key[:2]]), {}, names, 0, pending=False)
            for key, end in keys.items()
            if key[:2] in pairs
        }

    def _result(self, left: list[ClosedRun], reason: str | None = None) -> ReconcileResult:
        if not self._runs and not left and reason is None:
            reason = "no closed window in scope: there is nothing to compare"
        return ReconcileResult(self._runs, self._pairs, tuple(self._different), tuple(left), reason)


def _closed_run(row: asyncpg.Record) -> ClosedRun:
    pairs = (
        (UUID(pair["from_stage_id"]), UUID(pair["to_stage_id"])) for pair in json.loads(row["stage_pairs"])
    )
    facts = json.loads(row["facts"])
    return ClosedRun(
        run_id=row["run_id"],
        tenant_id=row["tenant_id"],
        pipeline_id=row["pipeline_id"],
        window_name=row["window_name"],
        window_start=row["window_start"],
        window_end=row["window_end"],
        revision=row["revision"],
        pairs=tuple(pairs),
        facts={(UUID(a), UUID(b)): (entered, converted) for a, b, entered, converted in facts},
        stage_names={UUID(stage): name for stage, name in json.loads(row["stage_names"]).items()},
        written=row["written"],
        pending=row["pending"],
    )
