"""Doubts: why results are estimates, until a reconciliation of everything is equal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.resources import sql
from streams.store.database import Connection, Pool

COMPARE = (
    "run `funnelproof reconcile`: an equal one settles it; where it finds differences, begin anew with "
    "`funnelproof connector delete --topics` and `funnelproof connector apply`, then reconcile again"
)
BEGIN_ANEW = (
    "begin anew from a snapshot with `funnelproof connector delete --topics` and `funnelproof connector apply`, "
    "then run `funnelproof reconcile`: an equal one settles it"
)
GRANT = (
    "grant the role what `sql/roles.sql` grants funnelproof_worker, and execute on pg_logical_emit_message"
)
REMEDIES = {
    "connector": BEGIN_ANEW,
    "dead_letters": COMPARE,
    "marker": COMPARE,
    "slot": BEGIN_ANEW,
    "snapshot": COMPARE,
    "source": BEGIN_ANEW,
    "topic": BEGIN_ANEW,
}
"""The remedy, by kind of doubt."""


@dataclass(frozen=True)
class Doubt:
    """A reason why every result is an estimate.

    `since_lsn` and `since_time` are those of the last proof before the doubt was noted.
    """

    kind: str
    reason: str
    remedy: str
    since_lsn: str | None = None
    since_time: datetime | None = None
    noted_at: datetime | None = None

    def __str__(self) -> str:
        """Return the text for people: meaning, reason and remedy."""
        return f"results are estimates: {self.reason}: {self.remedy}"


async def unresolved_doubts(report: Connection | Pool) -> Sequence[Doubt]:
    """Return the unresolved doubts, the oldest first."""
    rows = await report.fetch(sql("queries/store/doubts_unresolved"))
    return [Doubt(row["kind"], row["reason"], REMEDIES.get(row["kind"], COMPARE), *row[2:]) for row in rows]


async def note_doubt(report: Connection | Pool, kind: str, reason: str) -> None:
    """Note a doubt; where one of its kind is unresolved, replace the reason and keep the beginning."""
    await report.execute(sql("queries/store/doubt_note"), kind, reason)


async def resolve_doubts(report: Connection | Pool, reconciliation_id: int) -> None:
    """Settle the doubts noted before a reconciliation began that found every closed window equal."""
    await report.execute(sql("queries/store/doubts_resolve"), reconciliation_id)
