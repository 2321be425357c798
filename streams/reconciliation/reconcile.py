"""A reconciliation: connect, compare, record the result."""

from contextlib import AsyncExitStack
from datetime import timedelta

from streams.cdc.topics import Topics
from streams.completeness.session import proving_session
from streams.completeness.source import read_source
from streams.reconciliation.comparison import Comparison, OnProgress
from streams.reconciliation.result import ReconcileResult
from streams.resources import sql
from streams.settings import Settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import (
    Pool,
    close_soon,
    create_pool,
    facts_connection,
    facts_setting,
)
from streams.store.doubts import note_doubt, resolve_doubts
from streams.store.installation import require_installation

_PROOF_SECONDS = 20.0


async def reconcile(
    settings: Settings,
    scope: ClosedScope | None = None,
    *,
    patience: timedelta = timedelta(seconds=60),
    on_progress: OnProgress = lambda *_: None,
) -> ReconcileResult:
    """Compare every closed window in `scope`, and record the outcome; `on_progress` as in Comparison.

    A run that stays in flux for `patience` is undecided. Every run is undecided if no worker folds the log.
    A `different` reconciliation is a doubt. An `equal` one without limits of scope resolves the doubts noted before the
    reconciliation began.
    Raises UnreachableError and PreconditionError.
    """
    async with AsyncExitStack() as stack:
        async with facts_connection(settings) as facts:
            await require_installation(facts, settings.instance)
        report = await create_pool(settings.facts_dsn, facts_setting(settings), max_size=2)
        stack.push_async_callback(close_soon, report)
        topics = Topics(settings.brokers)
        topic = await topics.require(settings.data_topic)
        session = await stack.enter_async_context(
            # The canonical SQL takes as long as it takes.
            proving_session(settings, report, topics, topic.partitions, "reconcile", statement_seconds=None)
        )
        source = session.source

        async def prove() -> None:
            source_time, _ = await read_source(source)
            await session.prover.prove(
                source,
                source_time,
                purpose="reconcile",
                marker_timeout=_PROOF_SECONDS,
                progress_timeout=_PROOF_SECONDS,
            )

        comparison = Comparison(source, report, prove, scope or ClosedScope(), on_progress)
        reconciliation_id = await report.fetchval(sql("queries/reconciliation/reconcile_begin"))
        result = await comparison.run(patience)
        await _record(report, reconciliation_id, comparison.snapshot, result)
        if result.outcome == "different":
            await note_doubt(report, "reconciliation", _difference(result))
        if result.outcome == "equal" and comparison.scope == ClosedScope():
            await resolve_doubts(report, reconciliation_id)
        return result


def _difference(result: ReconcileResult) -> str:
    return f"the last reconciliation found {len(result.differences)} of {result.pairs} pairs different"


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
