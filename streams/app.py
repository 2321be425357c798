"""The worker, put together: the Faust app, its agent, and the loops that flush and close.

`funnelproof worker` runs it; so does `faust -A streams.app worker`.
"""

import asyncio
import gc
import os
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import KafkaException

from streams.cdc.folded import FoldedTopic
from streams.cdc.session_limits import check_session_timeout
from streams.cdc.topics import Topic, Topics
from streams.errors import PreconditionError, UnreachableError
from streams.fold.checkpoint import prepare_folder
from streams.fold.dead_letters import DeadLetterPublisher
from streams.fold.processor import Processor
from streams.logs import configure_logging
from streams.operations.ending import WorkerApp, keep_going
from streams.operations.metrics import Metrics
from streams.operations.observed import ObservedCheckpoints, ObservedClosing, ObservedPartials
from streams.publish.closer import Closer
from streams.publish.events import EventProducer
from streams.publish.outbox import OutboxPublisher
from streams.publish.pruning import Pruner, Retention
from streams.settings import Settings, load_settings
from streams.store.database import (
    PASSING_ERRORS,
    STATEMENT_SECONDS,
    Connection,
    create_pool,
    facts_connection,
    facts_setting,
    source_connection,
)
from streams.store.epoch import Epoch, epoch_of
from streams.store.held_epoch import HeldEpoch, require_free_epoch
from streams.store.installation import require_installation
from streams.store.stage_pairs import check_pairs, keep_pairs, require_free_pairs
from streams.store.timezones import PlannedWindows, plan_windows

LONGEST_REPLAY = timedelta(hours=6)
"""Compaction must leave records alone for longer than any replay takes: a replay may not lose what it passes."""

RETRY_SECONDS = 1.0
HEARTBEAT_SECONDS = 3.0
"""The most between two heartbeats, however long the session: a worker learns of a rebalance by its next one."""
ANSWER_SECONDS = 90.0
"""How long Kafka may take to answer at least: longer than a rebalance takes to end."""

log = structlog.get_logger(__name__)


class Worker:
    """What one worker process owns, made when Kafka first gives it partitions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.began = time.monotonic()
        self.metrics = Metrics()
        self.opened = asyncio.Event()
        self.trouble: str | None = None
        self.is_stopping: Callable[[], bool] = lambda: False
        self.peers: Callable[[], Collection[str]] = tuple

    async def open(self) -> None:
        """Connect, check what the worker depends on, and make this worker's epoch the current one."""
        settings = self.settings
        topic = await Topics(settings.kafka).require(settings.data_topic)
        check_compaction(topic)
        self.topic = FoldedTopic(settings.kafka, topic)
        self.pool = await create_pool(
            settings.facts_dsn,
            facts_setting(settings),
            max_size=6,
            application_name=f"{settings.instance} worker",
            command_timeout=STATEMENT_SECONDS,
        )

        async def make_epoch(facts: Connection) -> Epoch:
            async with source_connection(settings) as source:
                planned = await _planned(settings, source, facts)
            await planned.note(facts)
            await keep_pairs(facts, settings.stage_pairs)
            return epoch_of(topic, planned.plan)

        name = f"{settings.instance} worker {self.name}"
        self.hold = HeldEpoch(settings.facts_dsn, facts_setting(settings), make_epoch, name)
        epoch = self.epoch = await self.hold.take()
        self.partials = ObservedPartials(self.pool, epoch, self.name, self.metrics)
        self.checkpoints = ObservedCheckpoints(checkpoint_folder(settings), epoch.id, self.metrics)
        self.processor = Processor(
            self.topic,
            self.partials,
            self.checkpoints,
            epoch.plan,
            settings.flush_interval.total_seconds(),
            settings.checkpoint_interval.total_seconds(),
        )
        closing = ObservedClosing(
            self.pool,
            epoch,
            settings.revision_debounce,
            self.name,
            self.metrics,
            stage_pairs=settings.stage_pairs,
            dormant_after=settings.dormant_after,
        )
        self.dead_letters = DeadLetterPublisher(
            self.pool, settings.kafka, settings.dead_letter_topic, lambda: self.processor.partitions
        )
        self.events = OutboxPublisher(
            self.pool,
            EventProducer(settings.kafka, settings.facts_topic),
            self.is_prover,
        )
        self.closer = Closer(
            settings,
            self.pool,
            self.topic,
            closing,
            epoch,
            self.is_prover,
        )
        self.pruner = Pruner(
            self.pool,
            Retention(settings.retention, settings.zero_retention, settings.evidence_retention),
            self.is_prover,
            lambda what, rows: self.metrics.pruned_rows.labels(what).inc(rows),
        )
        self.opened.set()

    def is_prover(self) -> bool:
        """Whether this worker closes, tells and prunes: as the holder of partition 0.

        Kafka moves that duty when it dies, and two at once do no harm.
        """
        return 0 in self.processor.partitions

    async def on_assigned(self, partitions: set[int]) -> dict[int, int]:
        """Take the partitions over; see Processor. A server that does not answer is asked until it does."""
        while True:
            try:
                if not self.opened.is_set():
                    await self.open()
                positions = await self.processor.on_assigned(partitions)
            except (UnreachableError, KafkaException, *PASSING_ERRORS) as error:
                self.trouble = str(error) or repr(error)
                log.warning("partitions could not be taken over; trying again", error=self.trouble)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.trouble = None
                return positions

    async def ends(self) -> Mapping[int, int]:
        """Return where the log of each partition that is held ends; raises UnreachableError."""
        return await self.topic.ends(self.epoch.topic, self.processor.partitions, committed=False)

    async def on_revoked(self, partitions: set[int]) -> None:
        """Flush; what cannot be flushed is replayed by whoever comes next."""
        del partitions  # with the eager protocol always all of them
        if self.opened.is_set():
            try:
                await self.processor.on_revoked(stopping=self.is_stopping())
            except (UnreachableError, *PASSING_ERRORS) as error:
                log.warning(
                    "the last flush failed; the next owner will replay", error=str(error) or repr(error)
                )


async def _planned(settings: Settings, source: Connection, facts: Connection) -> PlannedWindows:
    now = await source.fetchval("select clock_timestamp()")
    return await plan_windows(facts, settings.windows, settings.timezone, settings.own_timezones, now)


def check_compaction(topic: Topic) -> None:
    """Raise PreconditionError where compaction could remove what a replay still has to pass."""
    if "compact" in topic.settings.get("cleanup.policy", "") and topic.compaction_lag < LONGEST_REPLAY:
        raise PreconditionError(
            f"topic {topic.name} may be compacted after {topic.compaction_lag}, during a replay: "
            "run `funnelproof connector apply`, it sets min.compaction.lag.ms"
        )


def checkpoint_folder(settings: Settings) -> Path:
    """Return where checkpoints are kept: apart for each instance, so that installations may share a folder."""
    return settings.state_dir / settings.instance / "checkpoints"


async def check_worker(settings: Settings) -> None:
    """Raise what keeps a worker from starting: a server that does not answer, a topic or a schema that is missing."""
    prepare_folder(checkpoint_folder(settings))
    topic = await Topics(settings.kafka).require(settings.data_topic)
    check_compaction(topic)
    await check_session_timeout(settings.kafka, settings.session_timeout)
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        async with source_connection(settings) as source:
            await require_free_epoch(facts, epoch_of(topic, (await _planned(settings, source, facts)).plan))
            await require_free_pairs(facts, settings.stage_pairs)
            await check_pairs(source, settings.stage_pairs)


def create_app(worker: Worker, site: str | None = None) -> WorkerApp:
    """Return the Faust app of one worker; nothing connects before it is started.

    `site` is the URL of its web site, by which the other workers of the group know it.
    """
    settings = worker.settings
    session = settings.session_timeout.total_seconds()
    app = WorkerApp(
        settings.instance,
        owner=worker,
        broker="microbatch://" + settings.kafka.replace(",", ";"),
        datadir=Path(settings.state_dir).absolute() / "faust",
        broker_session_timeout=session,
        broker_heartbeat_interval=min(session / 5, HEARTBEAT_SECONDS),
        # Faust refuses one that is shorter than the session.
        broker_request_timeout=max(session, ANSWER_SECONDS),
        stream_recovery_delay=0.0,
        web_enabled=False,
        canonical_url=site,
        autodiscover=False,
    )

    worker.is_stopping = lambda: bool(app.should_stop)
    worker.peers = lambda: [url for url in app.router.external_topics_metadata() if url != site]

    @app.agent(app.batch_topic(settings.data_topic))  # type: ignore[untyped-decorator]  # Faust has no types
    async def fold(stream: Any) -> None:  # noqa: ANN401 - a Faust stream
        async for batch in stream:
            await worker.processor.ready()
            if app.is_current(batch):
                worker.processor.apply(batch.parts)

    def keep_running(loop: Callable[[], Awaitable[None]]) -> None:
        async def task() -> None:
            await worker.opened.wait()
            try:
                await keep_going(loop)
            except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on without this loop
                await app.die(error)

        app.task(task)

    keep_running(lambda: worker.processor.keep_flushing(app.commit_positions))
    keep_running(lambda: worker.hold.keep())  # noqa: PLW0108 - made when the worker opens
    keep_running(lambda: worker.topic.watch())  # noqa: PLW0108 - made when the worker opens
    keep_running(lambda: worker.closer.run())  # noqa: PLW0108 - made when the worker opens
    keep_running(lambda: worker.pruner.run())  # noqa: PLW0108 - made when the worker opens
    keep_running(lambda: worker.dead_letters.run())  # noqa: PLW0108 - made when the worker opens
    keep_running(lambda: worker.events.run())  # noqa: PLW0108 - made when the worker opens
    # State is millions of small objects that live long: looking for cycles among them often is wasted.
    gc.set_threshold(200_000, 20, 100)
    return app


def __getattr__(name: str) -> WorkerApp:
    """Make `streams.app.app` when somebody asks for it (`faust -A streams.app`), not when the module is imported."""
    if name != "app":
        raise AttributeError(name)
    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    return create_app(Worker(settings))
