"""A Faust consumer that delivers record batches from the owner's positions, in order and without gaps."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from streams.engine.batch import PartitionRecords, RecordBatch, pack
from streams.engine.buffers import BufferRead
from streams.engine.errors import EngineError, GivenUpError
from streams.engine.holding import Holding, Tenure
from streams.engine.thread import ReadingThread, run_on

if TYPE_CHECKING:
    from streams.engine.app import BatchApp

POLL_SECONDS = 1.0
COMMIT_SECONDS = 5.0
AGAIN_SECONDS = 0.2
_T = TypeVar("_T")


class Consumer(driver.Consumer):
    """Decides positions and delivery; leaves group membership, assignment and streams to Faust."""

    mundane_level = "debug"

    app: "BatchApp"
    _thread: ReadingThread
    _watching = False
    _commits_fail = False

    def __post_init__(self) -> None:
        """Begin without partitions; Faust's end of a rebalance activates the assigned partitions."""
        self.holding = Holding(self.app, self._seek_to, self._stop_intake)
        self.app.on_rebalance_complete.connect(self._on_rebalance_complete)

    def _new_consumer_thread(self) -> ReadingThread:
        return ReadingThread(self, loop=self.loop, beacon=self.beacon)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribe to the batch topic.

        Raises ImproperlyConfigured for a second topic and for an agent with a concurrency above 1.
        """
        if others := set(topics) - {self.app.batch_topic_name}:
            raise ImproperlyConfigured(
                f"the microbatch transport reads one batch topic, not {sorted(others)}: use another app for these"
            )
        if any(agent.concurrency > 1 for agent in self.app.agents.values()):
            raise ImproperlyConfigured(
                "leave the agent's concurrency at 1: more would process batches out of order"
            )
        await super().subscribe(topics)
        if not self._watching:
            self._watching = True
            self.add_future(self._watch())

    # Assignment and revocation, reported by Faust

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let first the owner finish, and Faust after the owner."""
        await self.holding.release()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note the partitions now held, and let Faust prepare the streams."""
        self.holding.assigned({tp.partition for tp in assigned})
        await super().on_partitions_assigned(assigned, generation_id)

    async def _on_rebalance_complete(self, *_: object, **__: object) -> None:
        await self.holding.activate()

    async def perform_seek(self) -> None:
        """Confirm the positions; after an IllegalStateError Faust waits for the next assignment.

        A worker that stops waits for none, and nobody would look at the error.
        """
        if self.holding.tenure is None and not self.app.should_stop:
            raise IllegalStateError("no positions: a rebalance began")

    async def _seek_to(self, generation: int, positions: Mapping[int, int]) -> dict[int, int]:
        return await self._in_thread(lambda: self._thread.begin(generation, self._by_topic(positions)))

    def _stop_intake(self) -> None:
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()

    async def commit_positions(self, positions: Mapping[int, int]) -> None:
        """Commit the group offsets of held partitions; the first of several failures is logged, none is raised."""
        tenure = self.holding.tenure
        if tenure is None or self.app.fatal is not None:
            return
        held = {partition: at for partition, at in positions.items() if partition in tenure.positions}
        if held:
            commit = run_on(
                self._thread.thread_loop,
                self._thread.commit_group_offsets(tenure.generation, self._by_topic(held)),
            )
            try:
                await asyncio.wait_for(commit, COMMIT_SECONDS)
            except (KafkaError, GivenUpError, TimeoutError) as error:
                if not self._commits_fail:
                    self.log.warning(
                        "group offsets are not committed, lag monitors see older ones: %r", error
                    )
                self._commits_fail = True
            else:
                self._commits_fail = False

    # Intake

    async def _drain_messages(self, fetcher: Service) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                tenure = await self.holding.next_tenure()
                if tenure is not None:
                    await self._read(tenure, fetcher)
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on
            await self._fail(error)

    async def _read(self, tenure: Tenure, fetcher: Service) -> None:
        """Deliver the records of the tenure's partitions until the tenure is over.

        The thread reads the next records while the agent computes.
        """
        reading = self._begin_to_read(tenure)
        try:
            while not (self.should_stop or fetcher.should_stop):
                reads = await reading
                if tenure.over.is_set():
                    return  # the records are dropped: the next assignment seeks its positions anew
                reading = self._begin_to_read(tenure)
                for parts in pack(
                    [self._in_order(tenure, read) for read in reads], self.app.max_batch_records
                ):
                    if tenure.over.is_set():
                        return
                    await self._deliver(tenure, RecordBatch(parts, tenure.generation))
        finally:
            if not reading.cancel() and not reading.cancelled():
                reading.exception()  # marks the error as seen: a lasting failure comes again in the next tenure

    def _begin_to_read(self, tenure: Tenure) -> asyncio.Task[list[BufferRead]]:
        limit = self.app.max_batch_records
        return asyncio.ensure_future(
            self._in_thread(lambda: self._thread.read(tenure.generation, limit, POLL_SECONDS))
        )

    def _in_order(self, tenure: Tenure, read: BufferRead) -> PartitionRecords:
        part = read.part
        expected = tenure.positions[part.partition]
        if read.start != expected:
            raise EngineError(
                f"{self.app.batch_topic_name}[{part.partition}]: read from {read.start} where {expected} was next; "
                "this is a defect of the engine, restart the worker"
            )
        tenure.positions[part.partition] = part.next_offset
        return part

    async def _deliver(self, tenure: Tenure, batch: RecordBatch) -> None:
        """Put the batch into the agent's queue; wait for a place in the queue until the tenure ends."""
        first = batch.parts[0]
        message = ConsumerMessage(
            topic=self.app.batch_topic_name,
            partition=first.partition,
            offset=first.next_offset - 1,
            timestamp=time.time(),
            timestamp_type=0,
            headers=None,
            key=None,
            value=batch,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            generation_id=self.app.consumer_generation_id,
        )
        delivery = asyncio.ensure_future(self.callback(message))
        over = asyncio.ensure_future(tenure.over.wait())
        try:
            await asyncio.wait({delivery, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            if not delivery.done():
                delivery.cancel()
        if delivery.done():
            delivery.result()

    # The thread

    async def _watch(self) -> None:
        try:
            await self._in_thread(self._thread.watch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker would wait for records forever
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        if not self.app.should_stop:
            await self.app.die(error)

    async def _in_thread(self, ask: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Run the request on the thread, and once more after each time that aiokafka gave the request up.

        Records that were lost with a request would not go unseen: the next records would not follow in order.
        """
        while True:
            try:
                return await run_on(self._thread.thread_loop, ask())
            except GivenUpError as error:
                self.log.warning("%s; trying again", error)
                await asyncio.sleep(AGAIN_SECONDS)

    def _by_topic(self, positions: Mapping[int, int]) -> dict[TopicPartition, int]:
        return {
            TopicPartition(self.app.batch_topic_name, partition): at for partition, at in positions.items()
        }
