"""A reconciliation: connect, compare, record the result."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from streams.cdc.topics import Topics
from streams.completeness.proving import Prover
from streams.completeness.session import proving_session
from streams.completeness.source import read_source
from streams.reconciliation.batches import Batch
from streams.reconciliation.comparison import Comparison, OnProgress
from streams.reconciliation.ledger import note_comparison
from streams.reconciliation.reader import Reader
from streams.reconciliation.result import ReconcileResult
from streams.resources import sql
from streams.settings import Settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import (
    REPLICA_SETTING,
    STATEMENT_SECONDS,
    Connection,
    OwnConnection,
    Pool,
    close_soon,
    columns,
    connect,
    connect_to_source,
    create_pool,
    facts_connection,
    facts_setting,
)
from streams.store.doubts import note_doubt, resolve_doubts
from streams.store.installation import require_installation

PATIENCE = timedelta(seconds=60)
"""The time for which runs in flux are compared again."""
_PROOF_SECONDS = 20.0


@dataclass(frozen=True)
class Sessions:
    """The sessions of a reconciliation. `reader` reads the source or a replica, `report` has the facts."""

    reader: Reader
    report: Pool
    source: OwnConnection
    prover: Prover

    async def prove(self) -> None:
        """Wait until everything visible in the source is in the partials, and can be read by `reader`."""
        source_time, _ = await read_source(self.source)
        proof = await self.prover.prove(
            self.source,
            source_time,
            purpose="reconcile",
            marker_timeout=_PROOF_SECONDS,
            progress_timeout=_PROOF_SECONDS,
        )
        marker = proof.marker
        await self.reader.reaches(marker.source_lsn, marker.system_identifier, _PROOF_SECONDS)


async def reconcile(
    settings: Settings,
    scope: ClosedScope | None = None,
    *,
    patience: timedelta = PATIENCE,
    on_progress: OnProgress = lambda *_: None,
) -> ReconcileResult:
    """Compare every closed window in `scope`, and record the outcome; `on_progress` as in Comparison.

    A run that stays in flux for `patience` is undecided. Nothing is compared if no worker folds the log.
    A `different` reconciliation is a doubt. An `equal` one without limits of scope resolves the doubts noted before the
    reconciliation began.
    Raises UnreachableError and PreconditionError.
    """
    async with open_sessions(settings) as sessions:
        return await compare(sessions, scope or ClosedScope(), patience=patience, on_progress=on_progress)


async def compare(
    sessions: Sessions,
    scope: ClosedScope,
    batches: Sequence[Batch] | None = None,
    *,
    patience: timedelta = PATIENCE,
    on_progress: OnProgress = lambda *_: None,
) -> ReconcileResult:
    """Compare the windows in `batches`, and record the outcome; see reconcile.

    `batches` None means every closed window in `scope`.
    """
    report = sessions.report
    comparison = Comparison(sessions.reader, report, sessions.prove, scope, on_progress)
    reconciliation_id = await report.fetchval(sql("queries/reconciliation/reconcile_begin"))
    result = await comparison.run(patience, batches)
    if result.outcome == "different":
        await note_doubt(report, "reconciliation", _difference(result))
    if result.outcome == "equal" and batches is None and scope == ClosedScope():
        await resolve_doubts(report, reconciliation_id)
    async with report.acquire() as connection, connection.transaction():
        await _record(connection, reconciliation_id, comparison.snapshot, result)
        await note_comparison(connection, reconciliation_id, scope, comparison.batches, result)
    return result


@asynccontextmanager
async def open_sessions(settings: Settings, *, share: float = 1.0) -> AsyncIterator[Sessions]:
    """Open the sessions of a reconciliation; close the sessions at the end.

    `share` is as in Reader. Raises UnreachableError and PreconditionError.
    """
    async with AsyncExitStack() as stack:
        async with facts_connection(settings) as facts:
            await require_installation(facts, settings.instance)
        report = await create_pool(
            settings.facts_dsn,
            facts_setting(settings),
            max_size=3,
            application_name=f"{settings.instance} reconcile",
            command_timeout=_longest(settings),
        )
        stack.push_async_callback(close_soon, report)
        topics = Topics(settings.brokers)
        topic = await topics.require(settings.data_topic)
        session = await stack.enter_async_context(
            proving_session(settings, report, topics, topic.partitions, "reconcile")
        )
        reading = await _connect_to_reader(settings)
        stack.push_async_callback(close_soon, reading)
        reader = Reader(
            reading,
            settings.reconcile_timeout,
            is_replica=settings.replica_dsn is not None,
            share=share,
        )
        yield Sessions(reader, report, session.source, session.prover)


async def _connect_to_reader(settings: Settings) -> OwnConnection:
    if settings.replica_dsn is None:
        return await connect_to_source(settings, "reconcile", statement_seconds=_longest(settings))
    return await connect(
        settings.replica_dsn,
        REPLICA_SETTING,
        application_name=f"{settings.instance} reconcile",
        command_timeout=_longest(settings),
    )


def _longest(settings: Settings) -> float:
    """Return the seconds after which a server has vanished without a word: the server's own timeout has passed."""
    return settings.reconcile_timeout.total_seconds() + STATEMENT_SECONDS


def _difference(result: ReconcileResult) -> str:
    return f"the last reconciliation found {len(result.differences)} of {result.pairs} pairs different"


async def _record(
    connection: Connection, reconciliation_id: int, snapshot: str, result: ReconcileResult
) -> None:
    if result.differences:
        await connection.execute(
            sql("queries/reconciliation/reconcile_differences"),
            reconciliation_id,
            *columns(
                (
                    *each.run.key,
                    each.run.run_id,
                    *each.pair,
                    *(each.fact or (None, None)),
                    *(each.sql or (None, None)),
                )
                for each in result.differences
            ),
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
