"""The deliveries that wait for one receiver, in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from streams.alerts.delivery.channel import Channel, Message, ReceiverError, Refusal
from streams.alerts.delivery.outbox import transition_of
from streams.resources import sql
from streams.store.database import Connection, plain_uuid

STORM = 10
"""The most waiting transitions of a tenant that stay messages of their own. Example: 11 become one message."""
LARGEST = 100
"""The most transitions of one message to people."""
FEWEST_ATTEMPTS = 10
"""The attempts before a message is given up, however old it is: the program may have stood still for days."""


@dataclass(frozen=True)
class Backlog:
    """The waiting deliveries of the receiver behind `channel`. Every method runs in its caller's transaction."""

    channel: Channel

    async def lock(self, connection: Connection) -> bool:
        """Hold the receiver until the transaction's end; return False if another sender holds the receiver."""
        await connection.execute(sql("queries/alerts/delivery_patience"))
        return bool(await connection.fetchval(sql("queries/alerts/delivery_lock"), self.channel.name))

    async def group(self, connection: Connection, now: datetime) -> None:
        """Put the transitions of a storm into common messages.

        Commit before a message is sent: a message that is sent again has the id and the transitions that it had.
        """
        if self.channel.at_once is None:
            await connection.execute(
                sql("queries/alerts/delivery_group"), self.channel.name, now, STORM, LARGEST
            )

    async def take(self, connection: Connection, now: datetime) -> Message | None:
        """Return the next message that is due, None if no message is due."""
        if self.channel.at_once is None:
            rows = await connection.fetch(sql("queries/alerts/delivery_next"), self.channel.name, now)
        else:
            rows = await connection.fetch(
                sql("queries/alerts/delivery_batch"), self.channel.name, now, self.channel.at_once
            )
        if not rows:
            return None
        return Message(
            plain_uuid(rows[0]["message_id"]),
            [transition_of(row) for row in rows],
            max(row["attempts"] for row in rows),
            min(row["enqueued_at"] for row in rows),
        )

    async def done(self, connection: Connection, message: Message, now: datetime) -> None:
        """Note that the receiver has taken the message."""
        await connection.execute(
            sql("queries/alerts/delivery_done"), self.channel.name, _events(message), now
        )

    async def failed(
        self, connection: Connection, message: Message, error: ReceiverError, now: datetime, pause: timedelta
    ) -> bool:
        """Note that an attempt has failed and that the next is due after `pause`; return True for no next attempt."""
        patience = self.channel.patience
        is_old = patience is not None and now - message.enqueued_at >= patience
        given_up = error.refusal is Refusal.FOR_GOOD or (is_old and message.attempts + 1 >= FEWEST_ATTEMPTS)
        await connection.execute(
            sql("queries/alerts/delivery_failed"),
            self.channel.name,
            _events(message),
            now,
            str(error),
            now + pause,
            given_up,
        )
        return given_up


def _events(message: Message) -> Sequence[UUID]:
    return [transition.event_id for transition in message.transitions]
