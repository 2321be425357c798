"""Alerts of funnelproof about itself: nobody can trust a quiet page whose numbers are late or in doubt.

A condition that lasts for PATIENCE fires, and resolves when the condition ends. "Nobody evaluates" cannot be told from
here: `deploy/prometheus` has a rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from streams.alerts.evaluation.moment import Moment
from streams.alerts.transition import Evidence, Transition, alert_id_of
from streams.resources import sql
from streams.store.database import Connection

PATIENCE = timedelta(seconds=60)
SEVERITY = "warning"
CONDITIONS = ("no proof", "results in doubt", "dead letters", "differences", "broken rule file")
"""The names of the alerts; each stands in the place of a rule's name, after `funnelproof: `."""


def name_of(condition: str) -> str:
    """Return the name that stands in the place of a rule's name."""
    return f"funnelproof: {condition}"


ALERTS: Mapping[str, UUID] = {each: alert_id_of(name_of(each), None) for each in CONDITIONS}


class _Known(msgspec.Struct):
    alert_id: UUID
    number: int
    fires: bool


@dataclass
class Health:
    """The conditions, with the time since a condition holds."""

    since: dict[str, datetime] = field(default_factory=dict)

    async def look(self, connection: Connection, moment: Moment, broken: str | None) -> list[Transition]:
        """Return the transitions of the alerts about funnelproof; `broken` is the first mistake of the rule file."""
        row = await connection.fetchrow(sql("queries/alerts/health"), list(ALERTS.values()))
        if row is None:
            raise LookupError("the query has one row")
        letters, differences = row["dead_letters"], row["differences"]
        reasons = {
            "no proof": moment.held if moment.late else None,
            "results in doubt": row["doubts"],
            "dead letters": f"{letters} events could not be applied" if letters else None,
            "differences": f"{differences} pairs differ from the canonical SQL" if differences else None,
            "broken rule file": None if broken is None else f"the former rules hold: {broken}",
        }
        known = {
            each.alert_id: each for each in (msgspec.json.decode(one, type=_Known) for one in row["alerts"])
        }
        steps = (
            self._step(condition, reason, known.get(ALERTS[condition]), moment)
            for condition, reason in reasons.items()
        )
        return [step for step in steps if step is not None]

    def _step(
        self, condition: str, reason: str | None, known: _Known | None, moment: Moment
    ) -> Transition | None:
        fires = known is not None and known.fires
        if reason is None:
            self.since.pop(condition, None)
            return self._transition(condition, "resolved", None, known, moment) if fires else None
        since = self.since.setdefault(condition, moment.now)
        if fires or moment.now - since < PATIENCE:
            return None
        return self._transition(condition, "fired", reason, known, moment)

    def _transition(
        self,
        condition: str,
        step: Literal["fired", "resolved"],
        reason: str | None,
        known: _Known | None,
        moment: Moment,
    ) -> Transition:
        return Transition(
            alert_id=ALERTS[condition],
            number=1 + (0 if known is None else known.number),
            rule=name_of(condition),
            kind="health",
            step=step,
            at=moment.until or moment.now,
            decided_at=moment.now,
            severity=SEVERITY,
            evidence=Evidence(reason=reason, since=self.since.get(condition)),
            source_lsn=moment.source_lsn,
        )
