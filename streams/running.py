"""A worker's parts, opened together and closed together: nobody sees a half-open worker."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from streams.cdc.event_producer import EventProducer
from streams.cdc.folded import FoldedTopic
from streams.cdc.session_limits import check_session_timeout
from streams.cdc.topics import Topic, Topics
from streams.completeness.slot import SlotWatch
from streams.domain.proof import Proof
from streams.errors import PreconditionError
from streams.fold.checkpoint import Checkpoints, prepare_folder
from streams.fold.checkpointing import Checkpointing
from streams.fold.dead_letters import DeadLetterPublisher
from streams.fold.log_watch import LogWatch
from streams.fold.observed import ObservedPartials
from streams.fold.partials import Flushed, Partials, PartitionFlush
from streams.fold.processor import Processor
from streams.publish.closer import Closer
from streams.publish.closing import Closing, Published
from streams.publish.outbox import OutboxPublisher
from streams.publish.pruning import Pruner, Retention
from streams.settings import Settings
from streams.store.database import (
    SOURCE_SETTING,
    STATEMENT_SECONDS,
    Connection,
    Pool,
    close_soon,
    create_pool,
    facts_connection,
    facts_setting,
    source_connection,
)
from streams.store.doubts import KEEP_RECORDS
from streams.store.epoch import Epoch, epoch_of
from streams.store.held_epoch import HeldEpoch, require_free_epoch
from streams.store.installation import require_installation
from streams.store.keep_trying import Trouble, keep_trying
from streams.store.pooling import require_own_sessions
from streams.store.stage_pairs import check_pairs, keep_pairs, require_free_pairs
from streams.store.timezones import PlannedWindows, plan_windows

LONGEST_REPLAY = timedelta(hours=6)
"""The longest replay. Compaction must spare records for longer, or a replay might lose records on the way."""

TOPIC_EVERY = 2.0
"""Seconds between two checks of the topic, even in a worker without flushes."""


class Observer(Protocol):
    """Counts the events of a worker: flushes, checkpoints, publications, deleted rows."""

    def count_flush(self, flushes: Sequence[PartitionFlush], flushed: Flushed | None, seconds: float) -> None:
        """Count a flush by its result; see OnFlush."""

    def count_checkpoint(self, written: bool) -> None:
        """Count a checkpoint, written or failed."""

    def count_published(self, proof: Proof, published: Published, seconds: float) -> None:
        """Count a proof and the publication on the proof's strength; see OnPublished."""

    def count_pruned(self, what: str, rows: int) -> None:
        """Count deleted rows by kind."""


@dataclass(frozen=True)
class Running:
    """The parts of an open worker.

    The worker that holds partition 0 closes windows, publishes events and prunes. If the worker dies, Kafka gives
    partition 0 to another worker, and with the partition the duty. Two workers on duty at once do no harm.
    """

    report: Pool
    epoch: Epoch
    hold: HeldEpoch
    topic: FoldedTopic
    partials: ObservedPartials
    checkpointing: Checkpointing
    processor: Processor
    log_watch: LogWatch
    slot: SlotWatch
    closer: Closer
    pruner: Pruner
    dead_letters: DeadLetterPublisher
    events: OutboxPublisher

    async def ends(self) -> Mapping[int, int]:
        """Return the log's end of each held partition; raises as FoldedTopic does."""
        return await self.topic.ends(self.epoch.topic, self.processor.partitions, committed=False)

    async def watch_topic(self) -> None:
        """Confirm the topic again and again; raises PreconditionError once another topic has replaced the topic."""
        await keep_trying(self.topic.confirm, Trouble("the topic could not be looked at"), TOPIC_EVERY)

    def loops(
        self, flushed: Callable[[dict[int, int]], Awaitable[None]]
    ) -> Sequence[Callable[[], Awaitable[None]]]:
        """Return the loops of a running worker. A loop ends only with an error, and the error must end the worker.

        `flushed` is called with the positions that Postgres has accepted, by partition.
        """
        return (
            lambda: self.processor.keep_flushing(flushed),
            self.hold.keep,
            self.watch_topic,
            self.log_watch.run,
            self.slot.run,
            self.closer.run,
            self.pruner.run,
            self.dead_letters.run,
            self.events.run,
        )


@asynccontextmanager
async def open_running(settings: Settings, name: str, observer: Observer) -> AsyncIterator[Running]:
    """Connect, check the topic, make the worker's epoch the current epoch; close everything at the end.

    `name` tells the worker from other workers. Raises UnreachableError if a server does not answer, PreconditionError
    if a living worker holds another epoch. After an error nothing stays open.
    """
    topic = await Topics(settings.brokers).require(settings.data_topic)
    check_retention(topic)
    async with AsyncExitStack() as stack:
        pool = await create_pool(
            settings.facts_dsn,
            facts_setting(settings),
            max_size=6,
            application_name=f"{settings.instance} worker",
            command_timeout=STATEMENT_SECONDS,
        )
        stack.push_async_callback(close_soon, pool)
        hold = HeldEpoch(
            settings.facts_dsn,
            facts_setting(settings),
            lambda facts: _make_epoch(settings, topic, facts),
            f"{settings.instance} worker {name}",
        )
        epoch = await hold.acquire()
        stack.push_async_callback(hold.close)
        yield put_together(settings, name, observer, FoldedTopic(settings.brokers, topic), hold, epoch, pool)


def put_together(
    settings: Settings,
    name: str,
    observer: Observer,
    topic: FoldedTopic,
    hold: HeldEpoch,
    epoch: Epoch,
    pool: Pool,
) -> Running:
    """Return the parts of a worker, on open connections. No request is sent yet."""
    partials = ObservedPartials(Partials(pool, epoch, name), observer.count_flush)
    checkpointing = Checkpointing(
        Checkpoints(checkpoint_folder(settings), epoch.id),
        settings.checkpoint_interval.total_seconds(),
        observer.count_checkpoint,
    )
    processor = Processor(topic, partials, checkpointing, epoch.plan, settings.flush_interval.total_seconds())
    closing = Closing(
        pool,
        epoch,
        settings.revision_debounce,
        name,
        stage_pairs=settings.stage_pairs,
        dormant_after=settings.dormant_after,
    )
    retention = Retention(settings.retention, settings.zero_retention, settings.evidence_retention)

    def is_prover() -> bool:
        return 0 in processor.owned

    return Running(
        report=pool,
        epoch=epoch,
        hold=hold,
        topic=topic,
        partials=partials,
        checkpointing=checkpointing,
        processor=processor,
        log_watch=LogWatch(topic, pool, processor.owned),
        slot=SlotWatch(settings, pool, is_prover),
        closer=Closer(settings, pool, topic, closing, epoch, is_prover, observer.count_published),
        pruner=Pruner(pool, retention, is_prover, observer.count_pruned),
        dead_letters=DeadLetterPublisher(pool, settings.brokers, settings.dead_letter_topic, processor.owned),
        events=OutboxPublisher(pool, EventProducer(settings.brokers, settings.facts_topic), is_prover),
    )


async def _make_epoch(settings: Settings, topic: Topic, facts: Connection) -> Epoch:
    async with source_connection(settings) as source:
        planned = await _planned(settings, source, facts)
    await planned.note(facts)
    await keep_pairs(facts, settings.stage_pairs)
    return epoch_of(topic, planned.plan)


async def _planned(settings: Settings, source: Connection, facts: Connection) -> PlannedWindows:
    now = await source.fetchval("select clock_timestamp()")
    return await plan_windows(facts, settings.windows, settings.timezone, settings.own_timezones, now)


def check_retention(topic: Topic) -> None:
    """Raise PreconditionError if Kafka could delete records, or could compact the log ahead of a replay."""
    if topic.deletion:
        raise PreconditionError(f"{topic.deletion}. {KEEP_RECORDS[:1].upper()}{KEEP_RECORDS[1:]}")
    if "compact" in topic.settings.get("cleanup.policy", "") and topic.compaction_lag < LONGEST_REPLAY:
        raise PreconditionError(
            f"topic {topic.name} may be compacted after {topic.compaction_lag}, during a replay: "
            "run `funnelproof connector apply`, it sets min.compaction.lag.ms"
        )


def checkpoint_folder(settings: Settings) -> Path:
    """Return the folder of the checkpoints. Each instance has a folder: installations may share `state_dir`."""
    return settings.state_dir / settings.instance / "checkpoints"


async def check_worker(settings: Settings) -> None:
    """Raise an error that keeps a worker from starting: a silent server, a missing topic, a missing schema."""
    prepare_folder(checkpoint_folder(settings))
    topic = await Topics(settings.brokers).require(settings.data_topic)
    check_retention(topic)
    await check_session_timeout(settings.brokers, settings.session_timeout)
    await require_own_sessions(settings.facts_dsn, facts_setting(settings))
    if settings.facts_dsn != settings.source_dsn:
        await require_own_sessions(settings.source_dsn, SOURCE_SETTING)
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        async with source_connection(settings) as source:
            await require_free_epoch(facts, epoch_of(topic, (await _planned(settings, source, facts)).plan))
            await require_free_pairs(facts, settings.stage_pairs)
            await check_pairs(source, settings.stage_pairs)
