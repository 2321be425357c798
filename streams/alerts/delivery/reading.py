"""The state of every receiver, for `status` and the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.alerts.addresses import KAFKA
from streams.resources import sql
from streams.store.database import Connection


@dataclass(frozen=True)
class ReceiverReading:
    """The backlog of a receiver.

    `waiting` counts transitions, the oldest of them decided at `oldest_at`, `age` seconds ago; `given_up` counts
    transitions that will not be delivered any more. `last_error` is the reason of the last failed attempt for the
    oldest transition, None if none waits or was tried. `known` is false for a receiver that is no longer in the rule
    file.
    """

    name: str
    known: bool
    waiting: int
    oldest_at: datetime | None
    last_error: str | None
    given_up: int
    age: float | None


async def read_receivers(connection: Connection, names: Sequence[str]) -> Sequence[ReceiverReading]:
    """Read the state of the topic, of the receivers `names`, and of others for which something waits; by name."""
    known = {KAFKA, *names}
    rows = await connection.fetch(sql("queries/alerts/receivers"), sorted(known))
    return [
        ReceiverReading(
            row["receiver"],
            row["receiver"] in known,
            row["waiting"],
            row["oldest_at"],
            row["last_error"],
            row["given_up"],
            row["age"],
        )
        for row in rows
    ]
