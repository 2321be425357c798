"""Why a worker stops, in words that say what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import structlog
from aiokafka.errors import InvalidSessionTimeoutError

from streams.cdc.folded import BEGIN_ANEW, FoldedTopic
from streams.engine import BatchApp, CorruptRecordsError, PartitionOwner, PositionError
from streams.errors import FunnelproofError, PreconditionError, SettingsError
from streams.settings import Settings

CONFIRM_SECONDS = 5.0
AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def keep_going(loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop of the worker until it is cancelled or fails.

    It is begun again where only what it waited for was cancelled: a library that loses its server in the wrong moment
    may do that, and the loop would be gone without a word.
    """
    task = asyncio.current_task()
    while True:
        try:
            return await loop()
        except asyncio.CancelledError as error:
            if task is None or task.cancelling():
                raise
            log.warning("a request was given up without a reason; trying again", exc_info=error)
            await asyncio.sleep(AGAIN_SECONDS)


class Ending(PartitionOwner, Protocol):
    """A worker, as far as its end is explained. What `opened` does not say to be there, is not."""

    settings: Settings
    opened: asyncio.Event
    topic: FoldedTopic


class WorkerApp(BatchApp):
    """The Faust app of a worker: an error that stops it is told in words that an operator can act upon."""

    if TYPE_CHECKING:
        owner: Ending

    async def die(self, reason: BaseException) -> None:
        """Stop the worker with exit status 1; see BatchApp."""
        told = await explain(reason, self.owner)
        if told is not reason:
            told.__cause__ = reason
        await super().die(told)


async def explain(reason: BaseException, worker: Ending) -> BaseException:
    """Return the error to tell in place of `reason`: `reason` itself where that says enough."""
    if isinstance(reason, PositionError):
        return await _why_astray(reason, worker)
    if isinstance(reason, CorruptRecordsError):
        return PreconditionError(f"{reason}; where there is none, {BEGIN_ANEW}")
    if isinstance(reason, InvalidSessionTimeoutError):
        seconds = worker.settings.session_timeout.total_seconds()
        return SettingsError(
            f"FUNNELPROOF_SESSION_TIMEOUT is {seconds:g} s, which the broker does not allow: choose one between its "
            "group.min.session.timeout.ms and group.max.session.timeout.ms"
        )
    return reason


async def _why_astray(reason: PositionError, worker: Ending) -> BaseException:
    """Look whether the topic was made anew, as is most often so."""
    if worker.opened.is_set():
        try:
            await asyncio.wait_for(worker.topic.confirm(), CONFIRM_SECONDS)
        except PreconditionError as error:
            return error
        except (FunnelproofError, TimeoutError):
            pass  # who cannot tell says what is known
    return PreconditionError(f"{reason}. Records that were deleted do not come back: {BEGIN_ANEW}")
