"""A report database with an outbox of alerts, and a site to send to."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest

from streams.alerts.delivery.channel import Channel
from streams.alerts.delivery.envelope import Envelopes
from streams.alerts.delivery.outbox import enqueue
from streams.alerts.delivery.reading import ReceiverReading, read_receivers
from streams.alerts.delivery.sender import Sender
from streams.alerts.delivery.webhook import Webhook
from streams.alerts.transition import Transition
from streams.backoff import Backoff
from streams.store.database import Pool
from tests.fakes.alerts import Clock
from tests.integration.alerts.web import Site
from tests.integration.alerts.web import site as running_site

SECRET = "a secret in plain words"  # noqa: S105 - of no server
ENVELOPES = Envelopes("funnelproof", None)


def real_time() -> datetime:
    return datetime.now(UTC)


async def soon(condition: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """Wait for a condition, with a limit."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.02)


@dataclass
class Outbox:
    """The outbox, and senders that send from it."""

    pool: Pool
    clock: Clock

    async def put(self, *transitions: Transition, to: Sequence[str] = ("hook",)) -> int:
        """Enqueue transitions to these receivers, whatever their rule."""
        receivers = {transition.rule: to for transition in transitions}
        async with self.pool.acquire() as connection, connection.transaction():
            return await enqueue(connection, transitions, receivers)

    def sender(self, channel: Channel) -> Sender:
        """A sender whose pauses are 1, 2, 4 s on the test's clock."""
        return Sender(self.pool, channel, self.clock, backoff=Backoff(chance=lambda: 0.0))

    def hook(self, url: str, *secrets: str, seconds: float = 5) -> Webhook:
        return Webhook("hook", url, secrets or (SECRET,), ENVELOPES, seconds)

    async def reading(self, name: str = "hook") -> ReceiverReading:
        async with self.pool.acquire() as connection:
            return {each.name: each for each in await read_receivers(connection, ["hook"])}[name]

    async def waiting(self, name: str = "hook") -> int:
        """How many transitions wait for a receiver."""
        async with self.pool.acquire() as connection:
            readings = {each.name: each for each in await read_receivers(connection, [name])}
        return readings[name].waiting


@asynccontextmanager
async def running(*loops: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Run loops beside the test."""
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
        assert not [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def outbox(database: str) -> AsyncIterator[Outbox]:
    async with asyncpg.create_pool(
        database, min_size=1, max_size=8, server_settings={"timezone": "UTC"}
    ) as pool:
        yield Outbox(pool, Clock())


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running_site() as shown:
        yield shown
