"""The worker as a Faust app. The app's agent folds record batches; the app's tasks are the loops that flush and close.

`funnelproof worker` runs the app, and `faust -A streams.app worker` does, too.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faust
import structlog

from streams.brokers import Brokers
from streams.cdc.folded import RecordsLostError
from streams.engine import BatchApp
from streams.errors import FunnelproofError
from streams.logs import configure_logging
from streams.operations.ending import explain
from streams.operations.failures import explain as explain_error
from streams.operations.failures import explained
from streams.operations.metrics import Metrics
from streams.operations.replay import tell_replay
from streams.settings import load_settings
from streams.store.keep_trying import PASSING_ERRORS
from streams.worker import Worker

HEARTBEAT_SECONDS = 3.0
"""The most seconds between two heartbeats, even in a long session: a heartbeat tells a worker of a rebalance."""
ANSWER_SECONDS = 90.0
"""The least seconds that Kafka is given to answer: longer than a rebalance."""
NOTE_SECONDS = 5.0
"""The most seconds for noting a doubt at a worker's end; the next worker to start notes the doubt again."""

log = structlog.get_logger(__name__)


class WorkerApp(BatchApp):
    """The Faust app of a worker; `site` is the URL under which other workers of the group reach the worker."""

    if TYPE_CHECKING:
        owner: Worker

    def __init__(self, worker: Worker, site: str | None = None) -> None:
        settings = worker.settings
        session = settings.session_timeout.total_seconds()
        super().__init__(
            settings.instance,
            owner=worker,
            broker="microbatch://" + settings.kafka.replace(",", ";"),
            broker_credentials=_credentials(settings.brokers),
            datadir=Path(settings.state_dir).absolute() / "faust",
            broker_session_timeout=session,
            broker_heartbeat_interval=min(session / 5, HEARTBEAT_SECONDS),
            # Faust refuses a request timeout shorter than the session.
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
        """Stop the worker with exit status 1, and report a reason that an operator can act upon; see BatchApp.

        Lost records become a doubt.
        """
        running = self.owner.running
        told = await explain(reason, self.owner.settings, None if running is None else running.topic)
        if told is not reason:
            told.__cause__ = reason
        if isinstance(told, RecordsLostError) and self.owner.running is not None:
            with suppress(TimeoutError, *PASSING_ERRORS):
                await asyncio.wait_for(self.owner.running.log_watch.note_loss(told), NOTE_SECONDS)
        await super().die(told)

    def is_clear(self, reason: BaseException) -> bool:
        """Return true for an error that a server or a user has caused; see BatchApp."""
        return isinstance(reason, FunnelproofError) or explained(reason) is not None

    def tell_end(self) -> None:
        """Log the reason of a worker that died as the last line, since other services have logged after the death."""
        reason = self.fatal or self.crash_reason
        if reason is not None:
            log.critical("the worker has stopped", reason=explain_error(reason))

    async def on_stop(self) -> None:
        """Give the partitions up for good: the last flush also writes checkpoints."""
        self.owner.is_stopping = True
        await super().on_stop()

    async def on_shutdown(self) -> None:
        """Close the worker's parts, after agents and loops have ended."""
        await super().on_shutdown()
        await self.owner.close()


def create_app(worker: Worker, site: str | None = None) -> WorkerApp:
    """Return the Faust app of a worker; nothing connects before the app is started."""
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
        except Exception as error:  # noqa: BLE001 - after any error, the worker must not go on without the loop
            await app.die(error)

    @app.task  # type: ignore[untyped-decorator]  # Faust has no types
    async def run_loops() -> None:
        running = await worker.opened()
        for loop in (*running.loops(app.commit_positions), lambda: tell_replay(worker)):
            app.add_future(run(loop))

    # The state is millions of small objects with long lives: a frequent search for cycles would be wasted.
    gc.set_threshold(200_000, 20, 100)
    return app


def _credentials(brokers: Brokers) -> faust.types.auth.CredentialsT | None:
    """Return the credentials in Faust's words; None if the brokers want neither TLS nor SASL."""
    context = None if brokers.tls is None else brokers.tls.context
    if brokers.sasl is None:
        return None if context is None else faust.SSLCredentials(context)
    sasl = brokers.sasl
    return faust.SASLCredentials(
        username=sasl.username, password=sasl.password, ssl_context=context, mechanism=sasl.mechanism
    )


def __getattr__(name: str) -> WorkerApp:
    """Make `streams.app.app` on access, for example by `faust -A streams.app`; an import alone makes no app."""
    if name != "app":
        raise AttributeError(name)
    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    return create_app(Worker(settings, Metrics()))
