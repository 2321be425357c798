"""A reconciliation: connect, compare, record the result."""

from contextlib import AsyncExitStack
from datetime import timedelta

from streams.cdc.topics import Topics
from streams.completeness.markers import Markers
from streams.completeness.proving import Prover
from streams.completeness.source import read_source
from streams.reconciliation.comparison import Comparison
from streams.reconciliation.result import ReconcileResult
from streams.resources import sql
from streams.settings import Settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import (
    SOURCE_SETTING,
    Pool,
    connect,
    create_pool,
    facts_connection,
    facts_setting,
)
from streams.store.doubts import resolve_doubts
from streams.store.installation import require_installation

_PROOF_SECONDS = 20.0


async def reconcile(
    settings: Settings, scope: ClosedScope | None = None, *, patience: timedelta = timedelta(seconds=60)
) -> ReconcileResult:
    """Compare every closed window in `scope`, and record the outcome.

    A run that stays in flux for `patience` is undecided. Every run is undecided if no worker folds the log.
    An `equal` reconciliation without limits of scope resolves the doubts noted before the reconciliation began.
    Raises UnreachableError and PreconditionError.
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

        async def prove() -> None:
            source_time, _ = await read_source(source)
            await prover.prove(
                source,
                source_time,
                purpose="reconcile",
                marker_timeout=_PROOF_SECONDS,
                progress_timeout=_PROOF_SECONDS,
            )

        comparison = Comparison(source, report, prove, scope or ClosedScope())
        reconciliation_id = await report.fetchval(sql("queries/reconciliation/reconcile_begin"))
        result = await comparison.run(patience)
        await _record(report, reconciliation_id, comparison.snapshot, result)
        if result.outcome == "equal" and comparison.scope == ClosedScope():
            await resolve_doubts(report, reconciliation_id)
        return result


async def _record(report: Pool, reconciliation_id: int, snapshot: str, result: ReconcileResult) -> None:
    async with report.acquire() as connection, connection.transaction():
        for difference in result.differences:
            await connection.execute(
                sql("queries/reconciliation/reconcile_difference"),
                reconciliation_id,
                *difference.run.key,
                difference.run.run_id,
                *difference.pair,
                *(difference.fact or (None, None)),
                *(difference.sql or (None, None)),
            )
        await connection.execute(
            sql("queries/reconciliation/reconcile_finish"),
            reconciliation_id,
            snapshot,
            result.runs,
            result.pairs,
            len(result.differences),
            len(result.undecided),
            result.outcome,
        )
