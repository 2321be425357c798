"""The aiokafka consumer, on a thread and event loop of its own: heartbeats go on while agents compute."""
# ruff: noqa: SLF001 - private.py lists the attributes

import asyncio
from collections.abc import Coroutine, Mapping
from time import monotonic
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TransportT

from streams.engine.buffers import BufferRead, read_buffers
from streams.engine.errors import GivenUpError, PositionError

FETCH_MAX_WAIT_MS = 200
"""The longest wait of an idle fetch at the broker; a record that arrives ends the wait at once."""

T = TypeVar("T")


async def run_on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on another thread's loop.

    Raises GivenUpError if the other loop cancelled the coroutine and the caller was not cancelled. As a
    CancelledError, the other loop's cancellation would end the caller silently, like a wanted stop.
    """
    waiting = asyncio.current_task()
    try:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
    except asyncio.CancelledError as error:
        if waiting is None or waiting.cancelling():
            raise
        raise GivenUpError(f"{getattr(work, '__qualname__', work)} was cancelled") from error


class ReadingThread(AIOKafkaConsumerThread):
    """Reads records for a generation, the time between two rebalances, from the positions given to `begin`.

    The coroutines run on the thread's own loop. A generation's records are read only after `begin` sought the
    positions on the same loop, so no record of an earlier generation can slip in.
    """

    mundane_level = "debug"

    _generation: int | None = None

    def _create_worker_consumer(self, transport: TransportT) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust has no settings for these; aiokafka reads them when it starts.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        # Positions come from the owner alone: a position outside of the log is an error, never a jump.
        consumer._auto_offset_reset = "none"
        # For an app without tables Faust would choose round robin. Faust's own assignor moves few partitions
        # in a rebalance, and knows the URL of every partition's worker.
        consumer._partition_assignment_strategy = [self.app.assignor]
        return consumer

    async def begin(self, generation: int, positions: Mapping[TopicPartition, int]) -> dict[int, int]:
        """Seek to the positions, and return the positions.

        Raises PositionError for a position outside of the log: for position 0, too, if the first records were deleted.
        Raises IllegalStateError for partitions lost in the meantime.
        """
        consumer = self._ensure_consumer()
        first = await consumer.beginning_offsets(list(positions))
        end = await consumer.end_offsets(list(positions))
        for tp, position in positions.items():
            if not first[tp] <= position <= end[tp]:
                raise PositionError(
                    f"{tp.topic}[{tp.partition}] has the offsets {first[tp]} to {end[tp]}, not {position}: the topic "
                    "was recreated or its records were deleted; rebuild the state from the topic's beginning"
                )
        for tp, position in positions.items():
            consumer.seek(tp, position)
        self._generation = generation
        return {tp.partition: position for tp, position in positions.items()}

    async def read(self, generation: int, limit: int, timeout: float) -> list[BufferRead]:
        """Return the buffered records, as soon as there are any: at least `limit`, or all of them.

        Returns an empty list after `timeout` seconds without records, and at once for an ended generation.
        Raises EngineError for unreadable records.
        """
        fetcher = self._ensure_consumer()._fetcher
        deadline = monotonic() + timeout
        with fetcher._subscriptions.fetch_context():
            while generation == self._generation:
                if fetcher._closed:
                    raise ConsumerStoppedError
                if not fetcher._subscriptions.reassignment_in_progress and (
                    reads := read_buffers(fetcher, limit)
                ):
                    return reads
                waiter = fetcher._create_fetch_waiter()
                try:
                    done, _ = await asyncio.wait({waiter}, timeout=deadline - monotonic())
                finally:
                    waiter.cancel()
                if not done:
                    break
                waiter.result()  # raises the error that ended the membership, for example missing rights
        return []

    async def commit_group_offsets(self, generation: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the offsets, unless the generation is over. Raises KafkaError."""
        if generation == self._generation:
            committed = {tp: OffsetAndMetadata(at, "") for tp, at in offsets.items()}
            await self._ensure_consumer().commit(committed)

    async def watch(self) -> None:
        """Wait for the error that ends the group membership or the fetching, and raise that error.

        aiokafka tells these errors only to a caller who asks.
        """
        consumer = self._ensure_consumer()
        fetching = consumer._fetcher.error_future
        while not fetching.done():
            assigned = consumer._subscription.wait_for_assignment()
            await asyncio.wait({assigned, fetching}, return_when=asyncio.FIRST_COMPLETED)
            if assigned.done():
                assigned.result()
        if not fetching.cancelled():
            fetching.result()
