"""The parts of a page for its followers: each part of the page once for every change, the same bytes to all followers.

One statement every QUARTER second tells whether anything was flushed, published or compared. A page is read anew only
then, and only while somebody follows the page.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog

from streams.domain.duration import spell
from streams.web.channel import FRESHNESS, TICK, Channel
from streams.web.database import Database
from streams.web.errors import MalformedError, UnknownError, WebError
from streams.web.followed import Followed
from streams.web.freshness import health_of, state_of
from streams.web.render import render_freshness
from streams.web.scope import EVERYTHING

log = structlog.get_logger(__name__)

QUARTER = 0.25
"""Seconds between two looks at the database."""
TOGETHER = 16
"""The most pages that are read in one transaction."""
SILENT = 2.0
"""Seconds without an answer after which the database is told to be silent; the look at the database goes on."""


class Feed:
    """The followed pages of a site. Made within the event loop that the site runs in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._channels: dict[object, Channel] = {}
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        self._beat = asyncio.Condition()
        self._pulse: dict[str, Any] | None = None
        self._read_at: float | None = None
        self._silent: str | None = None
        self._state = "unknown"
        self._watcher: asyncio.Task[None] | None = None
        self._reads: set[asyncio.Task[None]] = set()

    async def follow(self, page: Followed) -> AsyncIterator[bytes]:
        """Yield messages, first with all parts of the page, then with those that changed; ends with `close`.

        Raises WebError before the first message if the page cannot be read.
        """
        parts = await self._read(page)
        channel = self._channels.setdefault(page.key, Channel(page))
        channel.followers += 1
        await channel.put(parts)
        if channel.task is None:
            channel.task = asyncio.create_task(self._keep_telling(channel))
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        return self._messages(channel)

    @property
    def followers(self) -> int:
        """The number of open streams."""
        return sum(channel.followers for channel in self._channels.values())

    @property
    def pages(self) -> int:
        """The number of different pages that are followed."""
        return len(self._channels)

    def close(self) -> None:
        """End every stream; may be called from a signal handler or another thread."""
        self._loop.call_soon_threadsafe(self._closing.set)

    async def _messages(self, channel: Channel) -> AsyncIterator[bytes]:
        seen: dict[str, int] = {}
        ended = asyncio.create_task(self._closing.wait())
        try:
            while not self._closing.is_set():
                new = [name for name, number in channel.numbers.items() if seen.get(name) != number]
                if new:
                    seen |= {name: channel.numbers[name] for name in new}
                    yield message({name: channel.parts[name] for name in new})
                    continue
                waiting = asyncio.create_task(self._change(channel, seen))
                await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
        finally:
            ended.cancel()
            self._leave(channel)

    @staticmethod
    async def _change(channel: Channel, seen: dict[str, int]) -> None:
        async with channel.changed:
            await channel.changed.wait_for(lambda: channel.numbers != seen)

    def _leave(self, channel: Channel) -> None:
        channel.followers -= 1
        if channel.followers == 0:
            del self._channels[channel.page.key]
            if channel.task is not None:
                channel.task.cancel()
        if not self._channels and self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _watch(self) -> None:
        """Look at the database's pulse again and again, and wake the channels."""
        while True:
            began = self._loop.time()
            look = asyncio.create_task(self._look())
            try:
                while not (await asyncio.wait({look}, timeout=QUARTER))[0]:
                    if self._loop.time() - began > SILENT:
                        self._silent = f"{self._database.name} gives no answer"
                        await self._wake()
                await look
            finally:
                look.cancel()
            await self._wake()
            await asyncio.sleep(QUARTER)

    async def _look(self) -> None:
        try:
            async with self._database.reading(EVERYTHING) as read:
                self._pulse = await read.row("pulse")
            self._read_at, self._silent = self._loop.time(), None
        except WebError as error:
            self._silent = str(error)

    async def _wake(self) -> None:
        self._state = "not_live" if self._silent else health_of(self._pulse, None).state
        if self._silent is None:
            self._read_changed()
        async with self._beat:
            self._beat.notify_all()

    def _read_changed(self) -> None:
        """Have the pages read that have changed, pages of the same tenants TOGETHER in a transaction."""
        state, now = state_of(self._pulse), self._loop.time()
        due: dict[str, list[Channel]] = {}
        for channel in self._channels.values():
            if channel.is_due(state, now):
                channel.is_read = True
                due.setdefault(channel.page.scope.setting, []).append(channel)
        for channels in due.values():
            for first in range(0, len(channels), TOGETHER):
                read = asyncio.create_task(self._read_together(channels[first : first + TOGETHER], state))
                self._reads.add(read)
                read.add_done_callback(self._reads.discard)

    async def _read_together(self, channels: list[Channel], state: object) -> None:
        """Read pages of the same tenants. What pages have in common is read once."""
        channels.sort(key=lambda channel: channel.read_at)  # a page that fails is the last one next time
        try:
            async with self._database.reading(channels[0].page.scope) as read:
                for channel in channels:
                    channel.read_at = self._loop.time()
                    try:
                        await channel.put(await channel.page.parts(read))
                        channel.shown = state
                    except (UnknownError, MalformedError) as error:
                        log.warning("a followed page could not be read", error=str(error))
        except WebError as error:
            log.warning("followed pages could not be read", error=str(error))
        finally:
            for channel in channels:
                channel.is_read = False

    async def _keep_telling(self, channel: Channel) -> None:
        """Tell how fresh the numbers are: every second, and at once when the state is another."""
        told = self._state
        while True:
            async with self._beat:
                await self._beat.wait()
            if self._state != told or self._loop.time() - channel.told >= TICK:
                told = self._state
                await channel.put({FRESHNESS: self._freshness()})

    def _freshness(self) -> str:
        if self._silent is None:
            health = health_of(self._pulse, None)
            return render_freshness(health.state, health.message)
        age = "" if self._read_at is None else f"{spell(self._loop.time() - self._read_at)} old "
        return render_freshness("not_live", f"Not live: {age}({self._silent})")

    async def _read(self, page: Followed) -> dict[str, str]:
        async with self._database.reading(page.scope) as read:
            return await page.parts(read)


def message(parts: dict[str, str]) -> bytes:
    """Return parts as one server-sent event; htmx puts each into the element with the part's name."""
    html = "".join(
        f'<hx-partial hx-target="#{name}" hx-swap="innerMorph">{text}</hx-partial>'
        for name, text in parts.items()
    )
    return "".join(f"data: {line}\n" for line in html.splitlines()).encode() + b"\n"
