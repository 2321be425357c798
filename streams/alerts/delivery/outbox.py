"""The way into the outbox: transitions are stored together with the deliveries to their receivers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from streams.alerts.addresses import KAFKA
from streams.alerts.transition import Evidence, Transition
from streams.resources import sql
from streams.store.database import Connection, columns, plain_uuid

WAKE_CHANNEL = "funnelproof_alerts"
"""The channel of Postgres on which senders are woken."""
_evidence = msgspec.json.Decoder(Evidence).decode


async def enqueue(
    connection: Connection, transitions: Sequence[Transition], receivers: Mapping[str, Collection[str]]
) -> int:
    """Store transitions, each once, and a delivery to each receiver; return how many transitions were new.

    `receivers` has the receivers' names by the name of the rule; the topic is told of every transition. Call `enqueue`
    in the transaction that decides the transitions: both are kept, or neither.
    """
    if not transitions:
        return 0
    told = {
        (transition.event_id, receiver)
        for transition in transitions
        for receiver in (KAFKA, *receivers.get(transition.rule, ()))
    }
    stored = [_stored(place, transition) for place, transition in enumerate(transitions)]
    added: int = await connection.fetchval(
        sql("queries/alerts/enqueue"), msgspec.json.encode(stored).decode(), *columns(told)
    )
    if added:
        await connection.execute(sql("queries/alerts/wake"))
    return added


def transition_of(row: asyncpg.Record) -> Transition:
    """Return the transition in a row of `funnelproof.alert_event`, with `source_lsn` as text in the column `lsn`."""
    names = set(Transition.__struct_fields__) - {"step", "source_lsn", "evidence"}
    return Transition(
        **{name: _plain(row[name]) for name in names},
        step=row["transition"],
        source_lsn=row["lsn"],
        evidence=_evidence(row["content"]),
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - a value of any column
    """Return an identifier as Python's own type: asyncpg has a type of its own."""
    return plain_uuid(value) if isinstance(value, UUID) else value


def _stored(place: int, transition: Transition) -> Mapping[str, object]:
    fields = {name: getattr(transition, name) for name in transition.__struct_fields__}
    return fields | {
        "place": place,
        "event_id": transition.event_id,
        "is_verdict": transition.is_verdict,
    }
