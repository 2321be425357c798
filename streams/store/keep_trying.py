"""The list of passing errors, and the loops that try again after a passing error."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, TypeVar

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from streams.errors import UnreachableError

log = structlog.get_logger(__name__)

PASSING_ERRORS = (
    UnreachableError,
    OSError,  # a TimeoutError, too
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the session was ended, and asyncpg has not seen the socket's end yet
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCachedStatementError,  # a column got another type; asyncpg has forgotten its statements by now
    KafkaError,
    KafkaException,
)
"""Errors of a server that restarts, fails over, is full, cannot be reached, or has ended a deadlock: try again."""

T = TypeVar("T")
ErrorTypes = tuple[type[Exception], ...]


class Trouble:
    """A failure that lasts: `why` is the reason, None while the work succeeds. A repeated reason is logged once.

    `failing` names the failure in the log line, for example "dead letters could not be published".
    """

    def __init__(self, failing: str) -> None:
        self._event = f"{failing}; trying again"
        self.why: str | None = None

    def tell(self, error: BaseException) -> None:
        """Note an error after which the work is tried again."""
        why = reason(error)
        if why != self.why:
            log.warning(self._event, error=why)
        self.why = why

    def end(self) -> None:
        """Note that the work succeeds, or is not wanted now."""
        self.why = None


def reason(error: BaseException) -> str:
    """Return the error's message, or `repr(error)` if the message is empty."""
    if isinstance(error, asyncio.CancelledError):
        return "the client of a server gave a request up"
    return str(error) or repr(error)


async def keep_trying(
    body: Callable[[], Awaitable[object]],
    trouble: Trouble,
    every: float,
    *,
    is_active: Callable[[], bool] = lambda: True,
    on_idle: Callable[[], None] = lambda: None,
    also: ErrorTypes = (),
    delays: Sequence[float] = (),
) -> NoReturn:
    """Run `body` while `is_active()` is true, else call `on_idle`; again and again, with pauses of `every` seconds.

    After an error of PASSING_ERRORS or `also`, `body` runs again. If `delays` are given, the pauses after the first,
    second, ... failure are the first, second, ... of `delays`, and from then on the last. Every other error is raised.

    Example: with `every=0.2, delays=(1, 5)` and three failures in a row, the pauses are 1, 5 and 5 s, then 0.2 s again.
    """
    failures = 0
    while True:
        if not is_active():
            trouble.end()
            on_idle()
        elif await _succeeds(body, trouble, also):
            failures = 0
        else:
            failures += 1
        await asyncio.sleep(delays[min(failures, len(delays)) - 1] if failures and delays else every)


async def try_until_done(body: Callable[[], Awaitable[T]], trouble: Trouble, every: float) -> T:
    """Run `body` until `body` succeeds, with pauses of `every` seconds after passing errors; return the result."""
    results: list[T] = []

    async def attempt() -> None:
        results.append(await body())

    while not await _succeeds(attempt, trouble, ()):
        await asyncio.sleep(every)
    return results[0]


async def _succeeds(body: Callable[[], Awaitable[object]], trouble: Trouble, also: ErrorTypes) -> bool:
    try:
        await body()
    except (asyncio.CancelledError, *PASSING_ERRORS, *also) as error:
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise
        trouble.tell(error)
        return False
    trouble.end()
    return True


def _is_cancelled() -> bool:
    """Return True if the current task is to end.

    A library that loses the server in a bad moment may cancel a single request. The CancelledError of the request must
    not end the loop without a word.
    """
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())
