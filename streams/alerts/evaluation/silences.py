"""Silences: alerts of a scope are shown and published to Kafka, and told to no other receiver for a while.

An alert that fires during a silence and still fires at the end is told then. A receiver that was told of an alert
before the silence hears of its end also during the silence: nobody is left with an alert that fires for ever.
"""

from collections.abc import Collection, Mapping, Sequence

from streams.alerts.delivery.outbox import enqueue
from streams.alerts.transition import Transition
from streams.resources import sql
from streams.store.database import Connection, columns

_ENDS = frozenset({"resolved", "retracted"})


async def tell(
    connection: Connection, transitions: Sequence[Transition], receivers: Mapping[str, Collection[str]]
) -> None:
    """Store transitions, with deliveries to the receivers of each rule, silences respected.

    `receivers` has the receivers' names by the name of the rule.
    """
    silenced = await _silenced(connection, transitions)
    loud = [transition for transition in transitions if transition.event_id not in silenced]
    await enqueue(connection, loud, receivers)
    for transition in transitions:
        heard = silenced.get(transition.event_id)
        if heard is not None:
            told = heard if transition.step in _ENDS else ()
            await enqueue(connection, [transition], {transition.rule: told})


async def tell_what_outlasted(connection: Connection, receivers: Mapping[str, Collection[str]]) -> int:
    """Tell receivers of alerts that outlasted a silence; return the number of deliveries added."""
    pairs = [(rule, receiver) for rule, names in receivers.items() for receiver in names]
    rules, names = columns(pairs) or ([], [])
    added = await connection.fetch(sql("queries/alerts/silence_over"), rules, names)
    if added:
        await connection.execute(sql("queries/alerts/wake"))
    return len(added)


async def _silenced(
    connection: Connection, transitions: Sequence[Transition]
) -> Mapping[object, Collection[str]]:
    """Return the receivers that heard of the alert before, by the transition's event, for silenced transitions."""
    if not transitions:
        return {}
    asked = columns(
        (each.event_id, each.alert_id, each.rule, each.tenant_id, each.pipeline_id) for each in transitions
    )
    rows = await connection.fetch(sql("queries/alerts/silenced"), *asked)
    found = {row["event_id"]: row["heard"] for row in rows}
    return {each.event_id: found[each.event_id] for each in transitions if each.event_id in found}
