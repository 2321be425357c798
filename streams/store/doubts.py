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

_SETTLES = "an equal one settles it"
COMPARE = f"run `funnelproof reconcile`: {_SETTLES}; where it finds differences, run `funnelproof reconcile --repair`"
REPAIR = (
    "run `funnelproof reconcile --repair`, which explains and mends the differences, and compares again: equal settles "
    "it"
)
BEGIN_ANEW = (
    "begin anew from a snapshot with `funnelproof rebuild`, which compares at its end: equal settles it"
)
APPLY = (
    "run `funnelproof connector apply`, which starts the connector again, then `funnelproof reconcile`: "
    f"{_SETTLES}"
)
GRANT = (
    "grant the role what `sql/roles.sql` grants funnelproof_worker, and execute on pg_logical_emit_message"
)
MEND = f"mend the fault; then {BEGIN_ANEW}"
KEEP_RECORDS = (
    "give the topic cleanup.policy=compact, for example with `kafka-configs --alter`, then run "
    f"`funnelproof reconcile`: {_SETTLES}"
)
RESTORE = (
    "start the worker where its checkpoints are (FUNNELPROOF_STATE_DIR), and run `funnelproof reconcile`; if there are "
    f"none, {BEGIN_ANEW}"
)
RETRY = (
    "see `funnelproof dead-letters list`, mend the rows in the CRM, then run `funnelproof dead-letters retry`; if a "
    f"letter cannot be retried, {BEGIN_ANEW}"
)
REMEDIES = {
    "columns": MEND,
    "configuration": f"run `funnelproof connector apply`; then {BEGIN_ANEW}",
    "connector": APPLY,
    "dead_letters": RETRY,
    "identity": MEND,
    "log": RESTORE,
    "log_end": BEGIN_ANEW,
    "marker": COMPARE,
    "publication": MEND,
    "reconciliation": REPAIR,
    "retention": KEEP_RECORDS,
    "rewrite": COMPARE,
    "row_security": COMPARE,
    "slot": BEGIN_ANEW,
    "snapshot": COMPARE,
    "source": BEGIN_ANEW,
    "table": MEND,
    "topic": BEGIN_ANEW,
    "trigger": COMPARE,
    "wal_level": MEND,
}
"""The remedy for each kind of doubt."""
NEW_LOG = frozenset(
    {
        "columns",
        "configuration",
        "identity",
        "log_end",
        "publication",
        "slot",
        "source",
        "table",
        "topic",
        "wal_level",
    }
)
"""The kinds of doubt that only a new log settles: events were lost, and equal counts do not bring the events back.

Example: the publication sends no updates for a minute, and a deal's second entry into a stage is backdated meanwhile.
The counts are still equal, because the first entry counts. A day later the first entry is deleted. The log then has a
wrong instant for the entry that counts from now on.

A dead letter is a lost event, too. A later event of its row settles the letter, or a new log; no comparison does.
"""


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


async def note_configuration(report: Connection | Pool, faults: Sequence[str]) -> None:
    """Note a doubt if `faults`, settings of the connector by which changes are lost, has any."""
    if faults:
        reason = "the connector was given another configuration: " + "; ".join(faults)
        await note_doubt(report, "configuration", reason)


async def resolve_doubts(report: Connection | Pool, reconciliation_id: int) -> None:
    """Resolve the doubts that were noted before a reconciliation began.

    The reconciliation must have found every closed window equal. A doubt of the kinds in NEW_LOG is resolved only if
    the log was begun anew since.
    """
    await report.execute(sql("queries/store/doubts_resolve"), reconciliation_id, sorted(NEW_LOG))
