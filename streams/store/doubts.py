"""Doubts: the reasons why every result is an estimate.

Example: a marker does not come, and at 12:10 the doubt `marker` is noted. Runs published from now on are `estimated`.
At 12:20 an operator starts `funnelproof reconcile`. The reconciliation finds every closed window equal to the canonical
SQL, and resolves the doubts noted before 12:20. Later runs are `proven` again. Only a window that began before 12:10
and is still open keeps the doubt, because the reconciliation did not compare the window.
"""

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
"""The remedy for each kind of doubt."""


@dataclass(frozen=True)
class Doubt:
    """A reason why every result is an estimate.

    `since_lsn` and `since_time` are the position and the time of the last proof before the doubt was noted.
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
    """Note a doubt. A doubt of the kind that is still unresolved gets the new reason, and keeps the beginning."""
    await report.execute(sql("queries/store/doubt_note"), kind, reason)


async def resolve_doubts(report: Connection | Pool, reconciliation_id: int) -> None:
    """Resolve the doubts that were noted before a reconciliation began.

    The reconciliation must have found every closed window equal.
    """
    await report.execute(sql("queries/store/doubts_resolve"), reconciliation_id)
