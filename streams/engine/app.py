"""A Faust app whose agent reads record batches, from positions that the agent's own state names."""

import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
from faust.exceptions import ImproperlyConfigured
from faust.tables.manager import TableManager
from faust.types import AgentT, AppT, EventT, Message, TopicT

from streams.engine.batch import RecordBatch
from streams.engine.owner import PartitionOwner

QUEUED_BATCHES = 2
HARD_EXIT_SECONDS = 10.0


class BatchSchema(faust.Schema):
    """Hands batches over undecoded: the agent decodes the records."""

    def compile(self, app: AppT, **_: object) -> Callable[..., Awaitable[EventT]]:
        """Return the function that makes an event from a message."""

        async def decode(message: Message, *, propagate: bool = False) -> EventT:  # noqa: ARG001 - Faust passes it
            return app.create_event(None, message.value, None, message)

        return decode


class NoTables(TableManager):
    """Starts at once. Faust's own manager waits a second for tables, and the engine has no tables."""

    mundane_level = "debug"

    async def on_start(self) -> None:
        """Allow the assignment of partitions."""
        await self._update_channels()
        await self.recovery.start()


class BatchApp(faust.App):
    """A Faust app with one batch topic.

    `owner` names the position from which each partition is read. `owner.on_revoked` may take at most
    `revoke_timeout` seconds. `broker` is `microbatch://host:port`; a semicolon separates several brokers.
    A batch holds at most `max_batch_records` records. The further options are Faust's.
    Raises ImproperlyConfigured for an option that contradicts the engine.
    """

    mundane_level = "debug"

    def __init__(
        self,
        id: str,  # noqa: A002 - Faust's name for it
        *,
        owner: PartitionOwner,
        broker: str,
        revoke_timeout: float = 5.0,
        max_batch_records: int = 8000,
        **options: Any,  # noqa: ANN401 - Faust's options
    ) -> None:
        if not broker.startswith("microbatch://"):
            raise ImproperlyConfigured(f"write the broker as microbatch://host:port, not {broker!r}")
        if str(options.get("processing_guarantee")).lower().endswith("exactly_once"):
            raise ImproperlyConfigured(
                "leave processing_guarantee at its default: batches are never acknowledged"
            )
        self.owner = owner
        self.revoke_timeout = revoke_timeout
        self.max_batch_records = max_batch_records
        self.batch_topic_name = ""
        self.fatal: BaseException | None = None
        # Batches are never acknowledged, so a stopping stream has no acknowledgement to wait for.
        # A leader would need a second topic.
        fixed = {
            "stream_wait_empty": False,
            "topic_disable_leader": True,
            "topic_allow_declare": False,
            "TableManager": NoTables,
            # The queues that the topic's own `maxsize` does not bound: Faust's default is 4096 messages,
            # and a message of this app is a whole batch.
            "stream_buffer_maxsize": QUEUED_BATCHES,
        }
        super().__init__(id, broker=broker, **{"store": "memory://", **options, **fixed})

    def batch_topic(self, name: str) -> TopicT:
        """Return the topic for `@app.agent(topic)`; every event of the topic is a RecordBatch.

        Raises ImproperlyConfigured for a second topic.
        """
        if self.batch_topic_name not in ("", name):
            raise ImproperlyConfigured(
                f"the app already reads {self.batch_topic_name}: use another app for {name}"
            )
        self.batch_topic_name = name
        return self.topic(name, schema=BatchSchema(), acks=False, maxsize=QUEUED_BATCHES)

    def is_current(self, batch: RecordBatch) -> bool:
        """Return true while the batch's assignment lasts; an agent must drop a batch of an earlier assignment."""
        return self.fatal is None and self.consumer.holding.is_current(batch.generation)

    async def commit_positions(self, positions: Mapping[int, int]) -> None:
        """Commit {partition: next offset} to the consumer group, for lag monitors only.

        Partitions that this worker does not hold are left out. Failures are logged, never raised.
        """
        await self.consumer.commit_positions(positions)

    async def die(self, reason: BaseException) -> None:
        """Stop the worker with exit status 1, without another delivery, flush or commit."""
        if self.fatal is not None:
            return
        self.fatal = reason
        self.log.critical("The worker stops: %s", reason, exc_info=None if self.is_clear(reason) else reason)
        self._exit_later(1)
        self.consumer.holding.end()
        await self.crash(reason)

    def is_clear(self, reason: BaseException) -> bool:
        """Return true if the reason's message alone tells an operator enough; the log has no traceback then."""
        del reason
        return False

    async def on_stop(self) -> None:
        """Give up the partitions first, while every service still runs."""
        await self.consumer.holding.release()
        self._exit_later(1 if self.fatal else 0)
        await super().on_stop()

    async def _on_agent_error(self, agent: AgentT, exc: BaseException) -> None:
        # Faust would restart the agent with the next event, and the failed event would be lost.
        self.log.error("agent %s failed", agent.name)
        await self.die(exc)

    def _exit_later(self, status: int) -> None:
        # Faust's services wait for each other when they stop, sometimes forever.
        if self.in_worker:
            timer = threading.Timer(HARD_EXIT_SECONDS, self._exit_now, (status,))
            timer.daemon = True
            timer.start()

    def _exit_now(self, status: int) -> None:
        try:
            self.tell_end()
        finally:
            os._exit(status)

    def tell_end(self) -> None:
        """Write the last line of the log; called in a thread of its own before a stop that hangs is cut short."""
