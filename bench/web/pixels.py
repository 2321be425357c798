"""How long after a commit, and after a flush, the number stands in the pixels of everybody who follows a funnel."""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed, writing
from bench.measures.latency import quantiles
from bench.servers import connected
from bench.statements import statement
from bench.web.browser import browser, opened
from bench.web.crm import Funnel, enter, new_funnels
from bench.web.site import messages, serving, streams_of, where
from streams.store.database import OwnConnection
from tests.integration.web.browser import Tab

BROWSERS = 5
STREAMS = 45
"""Followers that read the stream as a browser does, and draw nothing: fifty Chromiums need more than two cores."""
_RATE = 100
_LOOK_EVERY = 0.005
_PATIENCE = 60.0
_WARM_UP = 5.0
_WATCH = """
(() => {
  window.seen = [];
  const look = () => document.querySelector('#funnel td[data-label=Entered]')?.textContent.trim();
  let last = look();
  new MutationObserver(() => {
    const now = look();
    if (now === last) return;
    last = now;
    requestAnimationFrame(() => setTimeout(() => seen.push([now, Date.now() / 1000])));
  }).observe(document.getElementById('funnel'), {subtree: true, childList: true, characterData: true});
})()
"""
_ENTERED = re.compile(rb'data-label="Entered">(?:<a[^>]*>)?([\d,]+)')

Seen = list[tuple[int, float]]
"""The numbers that a follower was shown, with the time of each by the clock."""


@dataclass
class Probe:
    """The commits and flushes of the followed funnel, by the number of entries. `now`: the last number."""

    committed: dict[int, float] = field(default_factory=dict)
    flushed: dict[int, float] = field(default_factory=dict)
    now: int = 0


async def measure(setting: Setting) -> Finding:
    """Commit entries one at a time, while fifty follow their funnel and other pipelines are written."""
    servers, folder = setting.servers, setting.folder / "page-pixels"
    async with (
        servers.database("bench_pixels") as dsn,
        crm(dsn),
        connected(dsn) as writer,
        connected(dsn) as reader,
        installed(servers, dsn, dsn, folder) as installation,
        serving(installation.environment, folder / "page.log") as site,
        browser(folder / "chromium") as open_tab,
        writing(dsn, _RATE, folder),
    ):
        (funnel,) = await new_funnels(writer, 1, 2)
        probe = Probe()
        await _commit(writer, reader, funnel, probe)
        tabs = [await open_tab() for _ in range(BROWSERS)]
        for tab in tabs:
            await opened(tab, site.url(funnel, "day"))
            await tab.value(_WATCH)
        async with _following([f"{site.address}/live?{where(funnel, 'day')}"] * STREAMS) as streams:
            await asyncio.sleep(_WARM_UP)
            probe.committed.clear()
            probe.flushed.clear()
            await _probed(writer, reader, funnel, probe, setting.seconds)
            for tab in tabs:
                await tab.until(
                    f"seen.some(([text]) => Number(text.replaceAll(',', '')) >= {probe.now})", _PATIENCE
                )
            shown = [await _seen(tab) for tab in tabs]
            async with asyncio.timeout(_PATIENCE):
                while not all(seen and seen[-1][0] >= probe.now for seen in streams):
                    await asyncio.sleep(_LOOK_EVERY)
    rows = []
    for name, began in (("flush", probe.flushed), ("commit", probe.committed)):
        for place, followers in (("pixels", shown), ("bytes of the stream", streams)):
            delays = [delay for seen in followers for delay in delays_of(began, seen)]
            rows.append(
                {
                    "from": name,
                    "to": place,
                    "followers": len(followers),
                    "numbers": len(delays),
                    **quantiles(delays),
                }
            )
    return Finding(
        "From a flush and from a commit to the pixels",
        f"{BROWSERS} pages in Chromium and {STREAMS} streams follow one funnel; a row of the funnel is committed at a "
        f"time, and others write {_RATE} rows/s. Pixels: after the frame that has the number. Flush: the last time at "
        f"which the live view did not have the row, asked every {_LOOK_EVERY * 1000:.0f} ms.",
        rows,
    )


def delays_of(began: dict[int, float], seen: Seen) -> list[float]:
    """Return the seconds from each number's time in `began` until the follower saw this number or a greater one."""
    return [next(at for number, at in seen if number >= wanted) - since for wanted, since in began.items()]


async def _probed(
    writer: OwnConnection, reader: OwnConnection, funnel: Funnel, probe: Probe, seconds: float
) -> None:
    draw = random.Random(1)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(1 + draw.random() * 0.5)  # at no fixed place between two flushes
        await _commit(writer, reader, funnel, probe)


async def _commit(writer: OwnConnection, reader: OwnConnection, funnel: Funnel, probe: Probe) -> None:
    """Commit an entry, and wait until the live view has the entry."""
    await enter(writer, funnel)
    probe.now += 1
    probe.committed[probe.now] = probe.flushed[probe.now] = time.time()
    while True:
        looked = time.time()
        if await reader.fetchval(statement("web_flushed"), funnel.tenant) >= probe.now:
            break
        if looked - probe.committed[probe.now] > _PATIENCE:
            raise BenchError(f"a row was not in the live view {_PATIENCE:.0f} s after its commit")
        probe.flushed[probe.now] = looked
        await asyncio.sleep(_LOOK_EVERY)


@asynccontextmanager
async def _following(urls: list[str]) -> AsyncIterator[list[Seen]]:
    """Follow the streams for the length of a block."""
    noted: list[Seen] = [[] for _ in urls]
    async with streams_of(urls) as answers:
        tasks = [
            asyncio.create_task(_note(answer, seen)) for answer, seen in zip(answers, noted, strict=True)
        ]
        yield noted
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _note(answer: aiohttp.ClientResponse, seen: Seen) -> None:
    async for each in messages(answer):
        if found := _ENTERED.search(each):
            seen.append((int(found[1].replace(b",", b"")), time.time()))


async def _seen(tab: Tab) -> Seen:
    told: Sequence[tuple[str, float]] = json.loads(await tab.value("JSON.stringify(seen)"))
    return [(int(text.replace(",", "")), at) for text, at in told]
