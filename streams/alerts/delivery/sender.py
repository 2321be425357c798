"""The sender of a receiver: sends the waiting messages, and tries again after a failure."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime

import structlog

from streams.alerts.delivery.backlog import Backlog
from streams.alerts.delivery.channel import Channel, Message, ReceiverError, Refusal
from streams.backoff import Backoff
from streams.store.database import Connection, Pool
from streams.store.keep_trying import Trouble, try_until_done

log = structlog.get_logger(__name__)

POLL = 2.0
"""The most seconds until a transition is noticed of which no notice came."""
POSTGRES_PAUSE = 1.0
"""Seconds between two attempts to reach Postgres."""


class Sender:
    """Sends to one receiver, at least once. A message is noted as sent after the receiver has taken it.

    A program that is killed between both sends the message again, with its id. `delivered` and `failures` count since
    the start. Set `woken` when transitions were added.
    """

    def __init__(
        self,
        pool: Pool,
        channel: Channel,
        now: Callable[[], datetime],
        *,
        backoff: Backoff | None = None,
        poll: float = POLL,
    ) -> None:
        self._pool = pool
        self._channel = channel
        self._backlog = Backlog(channel)
        self._now = now
        self._backoff = backoff or Backoff()
        self._poll = poll
        self._in_a_row = 0
        self._rests_until: datetime | None = None
        self._why: str | None = None
        self.woken = asyncio.Event()
        self._rested = asyncio.Event()
        self.delivered = 0
        self.failures = 0
        self.trouble = Trouble(f"alerts for the receiver {channel.name} could not be read")

    @property
    def name(self) -> str:
        """The receiver's name."""
        return self._channel.name

    async def run(self) -> None:
        """Send the waiting messages, then the coming messages. Never returns; raises errors that do not pass."""
        await self._channel.begin()
        while True:
            self.woken.clear()
            await try_until_done(self.send_waiting, self.trouble, POSTGRES_PAUSE)
            await self._rest()

    async def send_now(self) -> None:
        """Have `run` send what waits; return when all is sent, or the receiver takes no message now."""
        if self._rests_until is None:
            self._rested.clear()
            self.woken.set()
            await self._rested.wait()

    async def send_waiting(self) -> None:
        """Send all messages that are due. Returns early if the receiver takes no message now."""
        while self._rests_until is None and await self._send_next():
            pass

    async def _rest(self) -> None:
        """Wait for the end of a failed receiver's pause; without a failure for a notice, or for the next poll."""
        if self._rests_until is None and self.woken.is_set():
            return
        self._rested.set()
        if self._rests_until is not None:
            await asyncio.sleep(max(0.0, (self._rests_until - self._now()).total_seconds()))
            self._rests_until = None
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll):
                await self.woken.wait()

    async def _send_next(self) -> bool:
        """Send the next message; return False if no message is due, or another sender serves the receiver."""
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                if not await self._backlog.lock(connection):
                    return False
                await self._backlog.group(connection, self._now())
            async with connection.transaction():
                if not await self._backlog.lock(connection):
                    return False
                message = await self._backlog.take(connection, self._now())
                if message is None:
                    return False
                await self._attempt(connection, message)
                return True

    async def _attempt(self, connection: Connection, message: Message) -> None:
        try:
            await self._channel.send(message, self._now())
        except ReceiverError as error:
            if error.refusal is Refusal.MESSAGE and self._channel.at_once and len(message.transitions) > 1:
                await self._attempt_singly(connection, message)
            else:
                await self._note_failure(connection, message, error)
        else:
            await self._backlog.done(connection, message, self._now())
            self.delivered += len(message.transitions)
            self._in_a_row = 0
            if self._why is not None:
                log.info("a receiver of alerts takes messages again", receiver=self.name)
            self._why = None

    async def _attempt_singly(self, connection: Connection, message: Message) -> None:
        """Send each transition by itself: an unreadable transition must not hold up other transitions."""
        for transition in message.transitions:
            single = Message(transition.event_id, [transition], message.attempts, message.enqueued_at)
            await self._attempt(connection, single)
            if self._rests_until is not None:
                return

    async def _note_failure(self, connection: Connection, message: Message, error: ReceiverError) -> None:
        now = self._now()
        self.failures += 1
        about_message = error.refusal is not Refusal.BUSY
        self._in_a_row += not about_message
        pause = self._backoff.pause(message.attempts + 1 if about_message else self._in_a_row)
        pause = max(pause, error.pause or pause)
        if not about_message:
            self._rests_until = now + pause
        given_up = await self._backlog.failed(connection, message, error, now, pause)
        if str(error) != self._why or given_up:
            log.warning(
                "an alert was given up" if given_up else "an alert could not be delivered; trying again",
                receiver=self.name,
                error=str(error),
            )
        self._why = str(error)
