"""The common face of all receivers: a channel takes a message, or says why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol
from uuid import UUID

from streams.alerts.transition import Transition
from streams.errors import FunnelproofError


class Refusal(Enum):
    """The meaning of a failure for the messages that wait."""

    BUSY = "the receiver takes no message now: all messages wait"
    MESSAGE = "the receiver does not take this message: other messages go on, the message is tried again"
    FOR_GOOD = "the receiver never takes this message: the message is given up"


class ReceiverError(FunnelproofError):
    """A receiver did not take a message. The text never shows an address or a secret.

    `pause` is the time that the receiver asks to be left alone, None if the receiver asks for nothing.
    """

    def __init__(self, why: str, refusal: Refusal = Refusal.BUSY, *, pause: timedelta | None = None) -> None:
        super().__init__(why)
        self.refusal = refusal
        self.pause = pause


@dataclass(frozen=True)
class Message:
    """Transitions that are sent together, in order.

    `message_id` is equal in every attempt. `attempts` counts the failed attempts so far.
    """

    message_id: UUID
    transitions: Sequence[Transition]
    attempts: int
    enqueued_at: datetime


class Channel(Protocol):
    """The way to one receiver.

    `at_once`: the most transitions of a message, if the receiver takes every transition by itself (a topic,
    Alertmanager); None for a receiver that is read by people, who get one message a transition except in a storm.
    `patience`: the time after which an undelivered message is given up, None for never.
    """

    @property
    def name(self) -> str:
        """The receiver's name in the rule file."""

    @property
    def at_once(self) -> int | None:
        """See the class."""

    @property
    def patience(self) -> timedelta | None:
        """See the class."""

    async def begin(self) -> None:
        """Be ready for the first message, where that takes seconds. Raises nothing: `send` tries again."""

    async def send(self, message: Message, now: datetime) -> None:
        """Return once the receiver has taken the message. Raises ReceiverError; no other error leaves a channel."""

    async def close(self) -> None:
        """Give up connections."""
