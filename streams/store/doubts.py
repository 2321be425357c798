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
"""What to do, by kind of doubt that is noted."""


@dataclass(frozen=True)
class Doubt:
    """Something that makes every result an estimate. Up to `since_lsn`, at `since_time`, nothing was known of it."""

    kind: str
    reason: str
    remedy: str
    since_lsn: str | None = None
    since_time: datetime | None = None
    noted_at: datetime | None = None

    def __str__(self) -> str:
        """Return what people read: what it means, why, and what to do."""
        return f"results are estimates: {self.reason}: {self.remedy}"


async def unresolved_doubts(report: Connection | Pool) -> Sequence[Doubt]:
    """Return what is in doubt now, the oldest first."""
    rows = await report.fetch(sql("queries/store/doubts_unresolved"))
    return [Doubt(row["kind"], row["reason"], REMEDIES.get(row["kind"], COMPARE), *row[2:]) for row in rows]


async def note_doubt(report: Connection | Pool, kind: str, reason: str) -> None:
    """Note a doubt; of each kind one at most is unresolved, and one that is noted again is not older than that."""
    await report.execute(sql("queries/store/doubt_note"), kind, reason)


async def resolve_doubts(report: Connection | Pool, reconciliation_id: int) -> None:
    """Settle what was noted before a reconciliation began that compared every closed window and found all equal."""
    await report.execute(sql("queries/store/doubts_resolve"), reconciliation_id)
