"""Commands that wait for workers say at once if no worker lives."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from streams.settings import Settings
from streams.store.database import facts_connection
from streams.store.held_epoch import require_living_worker
from streams.store.installation import require_installation

T = TypeVar("T")


async def with_workers(settings: Settings, work: Callable[[], Awaitable[T]]) -> T:
    """Await `work()` if a worker lives, and return the result.

    Raises PreconditionError before `migrate` and if no worker lives; `work` is then never called.
    """
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        await require_living_worker(facts)
    return await work()
