"""Reruns the canonical SQL for closed windows and compares it with the streamed facts, exact to the count.

Writes go on meanwhile, so a difference counts only where nothing was in flux: the source is read in one snapshot
between two proofs, and a run is judged by it only when its partials did not change and no revision was due between
the reads before and after. Such a run had nothing to catch up with, and still a difference must show twice. A run
that is in flux is compared again with a new snapshot, until it is quiet or patience ends: then it is undecided.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import asyncpg

from streams.cdc.topics import Topics
from streams.completeness.closer import read_source
from streams.completeness.markers import MarkerMissingError, Markers
from streams.completeness.proving import ProgressMissingError, Prover
from streams.facts.database import (
    SOURCE_SETTING,
    Connection,
    Pool,
    connect,
    create_pool,
    facts_connection,
    facts_setting,
)
from streams.facts.doubts import resolve_doubts
from streams.facts.installation import require_installation
from streams.facts.scope import ClosedScope
from streams.reconciliation.result import (
    ClosedRun,
    Counts,
    Difference,
    Pair,
    ReconcileResult,
    differences_of,
)
from streams.resources import sql
from streams.settings import Settings

_PROOF_SECONDS = 20.0
_PAUSE = 0.5
_CONFIRMATIONS = 2


async def reconcile(
    settings: Settings, scope: ClosedScope | None = None, *, patience: timedelta = timedelta(seconds=60)
) -> ReconcileResult:
    """Compare every closed window in `scope` and record the outcome.

    Runs that stay in flux for `patience`, or all when no worker folds the log, are undecided. Raises UnreachableError
    and PreconditionError.
    """
    async with AsyncExitStack() as stack:
        async with facts_connection(settings) as facts:
            await require_installation(facts, settings.instance)
        report = await create_pool(settings.facts_dsn, facts_setting(settings), max_size=2)
        stack.push_async_callback(report.close)
        source = await connect(settings.source_dsn, SOURCE_SETTING)
        stack.push_async_callback(source.close)
        topics = Topics(settings.kafka)
        topic = await topics.require(settings.data_topic)
        markers = await stack.enter_async_context(
            Markers(report, settings.kafka, settings.message_topic, settings.marker_prefix)
        )
        prover = Prover(report, topics, topic.name, topic.partitions, markers)
        comparison = _Comparison(source, report, prover, scope or ClosedScope())
        reconciliation_id = await report.fetchval(sql("queries/reconcile_begin"))
        result = await comparison.run(patience)
        await _record(report, reconciliation_id, comparison.snapshot, result)
        if result.outcome == "equal" and comparison.scope == ClosedScope():
            await resolve_doubts(report, reconciliation_id)
        return result


@dataclass
class _Comparison:
    """One reconciliation under way."""

    source: Connection
    report: Pool
    prover: Prover
    scope: ClosedScope
    snapshot: str = ""
    equal: dict[tuple[object, ...], ClosedRun] = field(default_factory=dict)
    different: dict[tuple[object, ...], list[Difference]] = field(default_factory=dict)
    suspicions: Counter[tuple[object, ...]] = field(default_factory=Counter)

    async def run(self, patience: timedelta) -> ReconcileResult:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + patience.total_seconds()
        try:
            await self._prove()
            while True:
                left = await self._round()
                # What has shown a difference once is still given the round that confirms it or not.
                if not left or (loop.time() >= give_up and not any(self.suspicions[run.key] for run in left)):
                    return self._result(left)
                await asyncio.sleep(_PAUSE)
        except (MarkerMissingError, ProgressMissingError) as error:
            return self._result(await self._runs(), f"nothing can be compared: {error}")

    async def _round(self) -> list[ClosedRun]:
        """Compare what is not decided yet with a new snapshot; return what still is not."""
        before = {run.key: run for run in await self._runs()}
        canonical = await self._canonical(before.values())
        await self._prove()
        left = []
        for run in await self._runs():
            known = before.get(run.key)
            if known is None:  # closed meanwhile, after what was asked for
                continue
            found = differences_of(run, canonical[run.key])
            if not found:
                self.equal[run.key] = run
                continue
            quiet = (run.written, run.run_id) == (known.written, known.run_id) and not (
                run.pending or known.pending
            )
            self.suspicions[run.key] = self.suspicions[run.key] + 1 if quiet else 0
            if self.suspicions[run.key] >= _CONFIRMATIONS:
                self.different[run.key] = found
            else:
                left.append(run)
        return left

    async def _runs(self) -> list[ClosedRun]:
        scope = self.scope
        rows = await self.report.fetch(
            sql("queries/reconcile_runs"),
            scope.tenant_id,
            scope.pipeline_id,
            scope.window_name,
            scope.start,
            scope.end,
        )
        runs = map(_closed_run, rows)
        return [run for run in runs if run.key not in self.equal and run.key not in self.different]

    async def _canonical(self, runs: Iterable[ClosedRun]) -> dict[tuple[object, ...], dict[Pair, Counts]]:
        async with self.source.transaction(isolation="repeatable_read", readonly=True):
            self.snapshot = await self.source.fetchval("select pg_current_snapshot()::text")
            statement = await self.source.prepare(sql("canonical/stage_conversion"))
            found: dict[tuple[object, ...], dict[Pair, Counts]] = {}
            for run in runs:
                pairs = [{"from_stage_id": str(a), "to_stage_id": str(b)} for a, b in run.pairs]
                rows = await statement.fetch(
                    run.tenant_id, run.pipeline_id, run.window_start, run.window_end, json.dumps(pairs)
                )
                found[run.key] = {
                    (row["from_stage_id"], row["to_stage_id"]): (row["entered_count"], row["converted_count"])
                    for row in rows
                }
            return found

    async def _prove(self) -> None:
        source_time, _ = await read_source(self.source)
        await self.prover.prove(
            self.source,
            source_time,
            purpose="reconcile",
            marker_timeout=_PROOF_SECONDS,
            progress_timeout=_PROOF_SECONDS,
        )

    def _result(self, left: list[ClosedRun], reason: str | None = None) -> ReconcileResult:
        different = [difference for found in self.different.values() for difference in found]
        decided = [*self.equal.values(), *(found[0].run for found in self.different.values())]
        if not decided and not left and reason is None:
            reason = "no closed window in scope: there is nothing to compare"
        return ReconcileResult(
            len(decided), sum(len(run.pairs) for run in decided), tuple(different), tuple(left), reason
        )


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


async def _record(report: Pool, reconciliation_id: int, snapshot: str, result: ReconcileResult) -> None:
    async with report.acquire() as connection, connection.transaction():
        for difference in result.differences:
            await connection.execute(
                sql("queries/reconcile_difference"),
                reconciliation_id,
                *difference.run.key,
                difference.run.run_id,
                *difference.pair,
                *(difference.fact or (None, None)),
                *(difference.sql or (None, None)),
            )
        await connection.execute(
            sql("queries/reconcile_finish"),
            reconciliation_id,
            snapshot,
            result.runs,
            result.pairs,
            len(result.differences),
            len(result.undecided),
            result.outcome,
        )
