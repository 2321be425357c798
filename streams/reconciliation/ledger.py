"""The ledger: when each closed window was compared, and with what outcome; and the windows that are due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.reconciliation.batches import Batch
from streams.reconciliation.result import ReconcileResult
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection, Pool, columns

ROUND = timedelta(days=3)
"""The length of the round through all windows. A window's turn comes ROUND after its last comparison, and windows that
were compared together take their turns spread over a further ROUND: so all are compared within a week."""


@dataclass(frozen=True)
class DueWindow:
    """A window of all pipelines to compare. `runs` is the expected number of runs.

    `reason` is `new`, `revised`, `different` or `undecided` (the last time), `a day old`, or `in turn`.
    """

    kind: str
    start: datetime
    runs: int
    reason: str


@dataclass(frozen=True)
class LedgerReading:
    """The ledger in a few numbers; ages are in seconds, None without a window.

    `oldest_age` is the age of the oldest comparison, `different_age` the time for which the first of the `different`
    windows has been known to differ, `uncompared_age` the time for which the first of the windows without a comparison
    of their latest revisions has waited.
    """

    windows: int
    never_compared: int
    oldest_age: float | None
    different: int
    different_age: float | None
    uncompared_age: float | None = None


async def due_windows(report: Pool, every: timedelta) -> list[DueWindow]:
    """Return the windows to compare now, sorted by kind and start, if windows are looked for `every` so often."""
    await report.execute(sql("queries/reconciliation/ledger_touch"))
    rows = await report.fetch(sql("queries/reconciliation/ledger_due"), ROUND, every)
    return [DueWindow(*row) for row in rows]


async def note_comparison(
    report: Connection,
    reconciliation_id: int,
    scope: ClosedScope,
    batches: Sequence[Batch],
    result: ReconcileResult,
) -> None:
    """Note a comparison of all windows in `batches`, unless the comparison was broken off.

    The comparison of a single tenant or pipeline notes the windows with a difference alone.
    """
    if result.reason is not None:
        return
    outcomes: dict[tuple[str, datetime], str] = {}
    if scope.tenant_id is None and scope.pipeline_id is None:
        outcomes |= {(batch.kind, start): "equal" for batch in batches for start in batch.starts}
        outcomes |= {run.key[2:]: "undecided" for run in result.undecided}
    outcomes |= {each.run.key[2:]: "different" for each in result.differences}
    if outcomes:
        await report.execute(
            sql("queries/reconciliation/ledger_note"),
            reconciliation_id,
            *columns((*window, outcome) for window, outcome in outcomes.items()),
            scope.end,
        )
    if not result.differences:
        await report.execute(sql("queries/reconciliation/ledger_settle"), reconciliation_id)
    await _resolve_findings(report, reconciliation_id, scope, batches, result)


async def read_ledger(report: Connection | Pool) -> LedgerReading:
    """Return the ledger in a few numbers."""
    row = await report.fetchrow(sql("queries/reconciliation/ledger_reading"))
    assert row is not None  # noqa: S101 - an aggregate
    return LedgerReading(*row)


async def _resolve_findings(
    report: Connection,
    reconciliation_id: int,
    scope: ClosedScope,
    batches: Sequence[Batch],
    result: ReconcileResult,
) -> None:
    """Resolve earlier findings in windows that were compared and equal."""
    rows = await report.fetch(sql("queries/reconciliation/findings_open"), reconciliation_id)
    if not rows:
        return
    compared = {(batch.kind, start) for batch in batches for start in batch.starts}
    unequal = {each.run.key for each in result.differences} | {run.key for run in result.undecided}
    equal = [
        tuple(key)
        for *key, end in rows
        if tuple(key[2:]) in compared
        and tuple(key) not in unequal
        and scope.tenant_id in {None, key[0]}
        and scope.pipeline_id in {None, key[1]}
        and (scope.end is None or end <= scope.end)
    ]
    if equal:
        await report.execute(
            sql("queries/reconciliation/findings_resolve"), reconciliation_id, *columns(equal)
        )


def reasons_of(windows: Sequence[DueWindow]) -> Mapping[str, int]:
    """Return the number of windows by reason."""
    return {
        reason: sum(each.reason == reason for each in windows)
        for reason in sorted({each.reason for each in windows})
    }
