"""What fifty followers cost: the CPU of the page's process, and of the page's sessions in Postgres."""

import asyncio
import random
import time
from collections.abc import Sequence

import aiohttp

from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed
from bench.servers import connected
from bench.web.crm import Funnel, Walk, new_funnels
from bench.web.site import Site, messages, serving, sessions_cpu, streams_of, where
from streams.store.database import OwnConnection

FOLLOWERS = 50
_WARM_UP = 12.0
"""Seconds in which pages and followers settle."""
_ROUNDS = {"one update a second": 1.0, "five updates a second": 0.2}
"""Seconds between two commits; each commit changes every followed funnel."""


async def measure(setting: Setting) -> Finding:
    """Have nobody, fifty followers of one funnel, and followers of fifty funnels, under two rates of writes."""
    servers, folder = setting.servers, setting.folder / "page-followers"
    rows: list[dict[str, object]] = []
    async with (
        servers.database("bench_followers") as dsn,
        crm(dsn),
        connected(dsn) as connection,
        connected(dsn) as writer,
        installed(servers, dsn, dsn, folder) as installation,
        serving(installation.environment, folder / "page.log") as site,
    ):
        funnels = await new_funnels(connection, FOLLOWERS)
        for load, pause in _ROUNDS.items():
            writes = asyncio.create_task(_write(writer, funnels, pause))
            for followed in (funnels[:1], funnels) if rows else ([], funnels[:1], funnels):
                urls = [
                    f"{site.address}/live?{where(followed[number % len(followed)], 'day')}"
                    for number in range(FOLLOWERS if followed else 0)
                ]
                rows.append(await _row(load, site, connection, urls, len(followed), setting.seconds / 4))
            writes.cancel()
            await asyncio.gather(writes, return_exceptions=True)
    return Finding(
        f"CPU of the page with {FOLLOWERS} followers",
        f"Each update is an entry into each of {FOLLOWERS} pipelines of four stages, windows by default. Percent of a "
        "core, without and with the page's sessions in Postgres.",
        rows,
    )


async def _row(
    load: str, site: Site, connection: OwnConnection, urls: Sequence[str], funnels: int, seconds: float
) -> dict[str, object]:
    async with streams_of(list(urls)) as answers:
        counts = [0] * len(answers)
        tasks = [asyncio.create_task(_count(answer, counts, number)) for number, answer in enumerate(answers)]
        await asyncio.sleep(_WARM_UP)
        before, heard, began = (await _spent(site, connection), sum(counts), time.monotonic())
        await asyncio.sleep(seconds)
        after, passed = await _spent(site, connection), time.monotonic() - began
        heard = sum(counts) - heard
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    page, sessions = (100 * (now - then) / passed for then, now in zip(before, after, strict=True))
    return {
        "load": load,
        "followers": len(urls),
        "funnels": funnels,
        "funnels sent a second, a follower": round(heard / passed / len(urls), 2) if urls else None,
        "page, %": round(page, 1),
        "sessions, %": round(sessions, 1),
        "together, %": round(page + sessions, 1),
    }


async def _spent(site: Site, connection: OwnConnection) -> tuple[float, float]:
    """Return the CPU seconds of the page and of its sessions so far."""
    return site.process.cpu(), sum((await sessions_cpu(connection)).values())


async def _count(answer: aiohttp.ClientResponse, counts: list[int], number: int) -> None:
    async for each in messages(answer):
        counts[number] += b"#funnel" in each


async def _write(connection: OwnConnection, funnels: Sequence[Funnel], pause: float) -> None:
    """Commit an entry into each funnel again and again."""
    walk = Walk(connection, funnels, random.Random(7))
    due = time.monotonic()
    while True:
        await walk.enter_each()
        due = max(due + pause, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
