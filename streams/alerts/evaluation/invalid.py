"""Parts of rules that name something unknown: told once, and once more when the part is valid again."""

from collections.abc import Iterable
from uuid import UUID

from streams.alerts.evaluation.moment import Moment
from streams.alerts.rules import Rule
from streams.alerts.scope import Invalid
from streams.alerts.transition import Evidence, Kind, Step, Transition, alert_id_of
from streams.resources import sql
from streams.store.database import Connection, plain_uuid


async def tell_invalid(
    connection: Connection, parts: Iterable[tuple[Rule, Invalid]], moment: Moment
) -> list[Transition]:
    """Return a transition for each part that has become invalid, or valid again, since the last call."""
    found = {_alert(rule, part): (rule, part) for rule, part in parts}
    rows = await connection.fetch(sql("queries/alerts/invalid_parts"), list(found))
    known = {plain_uuid(row["alert_id"]): row for row in rows}
    transitions = []
    for alert, (rule, part) in found.items():
        row = known.get(alert)
        if row is None or not row["is_told"]:
            number = 1 + (row["number"] if row else 0)
            reason = f"the {part.part} {part.name} is invalid: {part.reason}"
            transitions.append(
                _transition(alert, number, "invalid", rule.name, rule.kind, rule.severity, reason, moment)
            )
    for alert, row in known.items():
        if alert not in found and row["is_told"]:
            told = row["rule"], row["kind"], row["severity"]
            transitions.append(_transition(alert, row["number"] + 1, "released", *told, None, moment))
    return transitions


def _alert(rule: Rule, part: Invalid) -> UUID:
    return alert_id_of(f"{rule.name}\n{part.part} {part.name}", None)


def _transition(
    alert: UUID,
    number: int,
    step: Step,
    rule: str,
    kind: Kind,
    severity: str,
    reason: str | None,
    moment: Moment,
) -> Transition:
    return Transition(
        alert_id=alert,
        number=number,
        rule=rule,
        kind=kind,
        step=step,
        at=moment.until or moment.now,
        decided_at=moment.now,
        severity=severity,
        evidence=Evidence(reason=reason),
    )
