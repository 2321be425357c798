"""The worker as a Faust app: its agent folds record batches, and its tasks are the loops that flush and close.

`funnelproof worker` runs it; so does `faust -A streams.app worker`.
"""

import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.engine import BatchApp
from streams.logs import configure_logging
from streams.operations.ending import explain
from streams.operations.metrics import Metrics
from streams.settings import load_settings
from streams.worker import Worker

HEARTBEAT_SECONDS = 3.0
"""The most seconds between two heartbeats, however long the session: a worker learns of a rebalance by one."""
ANSWER_SECONDS = 90.0
"""The least seconds that Kafka is given to answer: more than a rebalance takes."""


class WorkerApp(BatchApp):
    """The Faust app of one worker; `site` is the URL by which the group's other workers know it."""

    if TYPE_CHECKING:
        owner: Worker

    def __init__(self, worker: Worker, site: str | None = None) -> None:
        settings = worker.settings
        session = settings.session_timeout.total_seconds()
        super().__init__(
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
        self._site = site

    def peers(self) -> list[str]:
        """Return the URLs of the group's other workers."""
        return [url for url in self.router.external_topics_metadata() if url != self._site]

    async def die(self, reason: BaseException) -> None:
        """Stop the worker with exit status 1, and tell why in words that an operator can act upon; see BatchApp."""
        running = self.owner.running
        told = await explain(reason, self.owner.settings, None if running is None else running.topic)
        if told is not reason:
            told.__cause__ = reason
        await super().die(told)

    async def on_stop(self) -> None:
        """Give the partitions up for good: the last flush leaves checkpoints behind."""
        self.owner.is_stopping = True
        await super().on_stop()

    async def on_shutdown(self) -> None:
        """Close the worker's parts: agents and loops have ended."""
        await super().on_shutdown()
        await self.owner.close()


def create_app(worker: Worker, site: str | None = None) -> WorkerApp:
    """Return the Faust app of one worker; nothing connects before it is started."""
    app = WorkerApp(worker, site)

    @app.agent(app.batch_topic(worker.settings.data_topic))  # type: ignore[untyped-decorator]  # Faust has no types
    async def fold(stream: Any) -> None:  # noqa: ANN401 - a Faust stream
        async for batch in stream:
            processor = (await worker.opened()).processor
            await processor.ready()
            if app.is_current(batch):
                processor.apply(batch.parts)

    async def run(loop: Callable[[], Awaitable[None]]) -> None:
        try:
            await loop()
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on without this loop
            await app.die(error)

    @app.task  # type: ignore[untyped-decorator]  # Faust has no types
    async def run_loops() -> None:
        running = await worker.opened()
        for loop in running.loops(app.commit_positions):
            app.add_future(run(loop))

    # State is millions of small objects that live long: looking for cycles among them often is wasted.
    gc.set_threshold(200_000, 20, 100)
    return app


def __getattr__(name: str) -> WorkerApp:
    """Make `streams.app.app` when somebody asks for it (`faust -A streams.app`), not when the module is imported."""
    if name != "app":
        raise AttributeError(name)
    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    return create_app(Worker(settings, Metrics()))
