"""The first load, and every answer of the API, in a store of 100,000 closed windows and 10,000 pipelines."""

import asyncio
import signal
import statistics
import time
from collections.abc import Mapping
from uuid import UUID

import aiohttp
import psutil

from bench.contender import ROOT
from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, run
from bench.servers import connected
from bench.web.browser import OpenTab, browser
from bench.web.crm import Funnel
from bench.web.site import Site, serving, streams_of, where

_MANY = ROOT / "tests" / "integration" / "web" / "many.sql"
_FUNNEL = Funnel(
    UUID("318ee5d4-6016-e0f8-2c2e-efccbc7609af"),
    UUID("a41b7bed-3ec6-5546-54e6-5e41c7defca6"),
    (UUID("28709d86-1624-db94-0916-d7e4137317f5"), UUID("9db35136-ca9f-7a2e-90eb-b6bb718dd40b")),
)
"""The pipeline with 100,000 windows, and its first stages."""
_ASKED = 40
_LOADS = 10
_STREAMS = 100
_OLD = "2017-01-01T00:30:00Z"
_PATIENCE = 60.0


async def measure(setting: Setting) -> Finding:
    """Ask every route again and again, load the page with an empty cache, and stop the page under many streams."""
    folder = setting.folder / "page-answers"
    await asyncio.to_thread(folder.mkdir, parents=True)
    async with (
        setting.servers.database("bench_answers") as dsn,
        crm(dsn),
        browser(folder / "chromium") as open_tab,
    ):
        environment = {"FUNNELPROOF_SOURCE_DSN": dsn}
        await run(environment, "migrate")
        async with connected(dsn) as connection:
            await connection.execute("truncate funnelproof.installation, funnelproof.epoch cascade")
            await connection.execute("set many.pipelines = 10000; set many.hours = 100000")
            await connection.execute(await asyncio.to_thread(_MANY.read_text, "utf-8"))
            await connection.execute("vacuum analyze")
        async with serving(environment, folder / "page.log") as site:
            rows = await _first_loads(open_tab, site)
            rows += await _routes(site)
            rows.append(_figure(f"SIGTERM with {_STREAMS} streams, s", await _stopped(site), 3))
    return Finding(
        "First load, answers, and a stop",
        "100,000 closed windows of one pipeline and 10,000 pipelines in the store. "
        f"{_LOADS} loads with an empty cache; each route is asked {_ASKED} times, one after the other.",
        rows,
    )


async def _first_loads(open_tab: OpenTab, site: Site) -> list[dict[str, object]]:
    """Load the page with an empty cache several times."""
    paints: list[float] = []
    sizes: list[int] = []
    for _ in range(_LOADS):
        tab = await open_tab()  # a new context has an empty cache
        await tab.call("Network.enable")
        await tab.open(site.url(_FUNNEL, "hour"))
        await tab.until("performance.getEntriesByName('first-contentful-paint').length > 0", _PATIENCE)
        paints.append(await tab.value("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        sizes.append(
            await tab.value(
                "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
                ".reduce((bytes, each) => bytes + each.transferSize, 0)"
            )
        )
        requests = [url for url in tab.requests if url.startswith(site.address)]
        await tab.call("Page.navigate", url="about:blank")
    return [
        _figure("first load, KB", max(sizes) / 1000, 60),
        _figure("first load, requests", len(requests), 8),
        _figure("first paint with the numbers, median ms", statistics.median(paints), 1000),
        _figure("first paint with the numbers, worst ms", max(paints), 1000),
    ]


async def _routes(site: Site) -> list[dict[str, object]]:
    place = where(_FUNNEL, "hour")
    stages = f"from_stage={_FUNNEL.stages[0]}&to_stage={_FUNNEL.stages[1]}"
    async with aiohttp.ClientSession(f"{site.address}/api/v1/") as session:
        async with session.get(f"runs?{place}&limit=1000") as answer:
            page: Mapping[str, str] = await answer.json()
        async with session.get(f"runs?{place}&limit=1") as answer:
            run_id = (await answer.json())["items"][0]["run_id"]
        paths = {
            "/pipelines": "pipelines",
            "/pipelines, searched": "pipelines?q=a41b7bed",
            "/funnel, live": f"funnel?{place}",
            "/funnel, years ago": f"funnel?{place}&at={_OLD}",
            "/windows": f"windows?{place}",
            "/ledger": f"ledger?{place}",
            "/trend": f"trend?{place}&{stages}",
            "/runs": f"runs?{place}",
            "/runs, a late page": f"runs?{place}&cursor={page['next']}",
            "/runs/<id>": f"runs/{run_id}",
            "/reconciliations": "reconciliations",
            "/alerts": "alerts",
            "/alerts/events": "alerts/events",
            "/health": "health",
            "/operations": "operations",
        }
        return [
            _figure(f"API {name}, p95 ms", 1000 * await _late(session, path), 100)
            for name, path in paths.items()
        ]


async def _late(session: aiohttp.ClientSession, path: str) -> float:
    """Return the 95th percentile of the seconds of an answer."""
    spent = []
    for _ in range(_ASKED):
        began = time.perf_counter()
        async with session.get(path) as answer:
            await answer.read()
        spent.append(time.perf_counter() - began)
        if not answer.ok:
            raise BenchError(f"/api/v1/{path} answers {answer.status}")
    return statistics.quantiles(spent, n=20, method="inclusive")[-1]


async def _stopped(site: Site) -> float:
    """Return the seconds from SIGTERM to the end of the page."""
    url = f"{site.address}/live?{where(_FUNNEL, 'hour')}"
    async with streams_of([url] * _STREAMS) as answers:
        for answer in answers:
            await answer.content.readany()
        began = time.monotonic()
        psutil.Process(site.process.pid).send_signal(signal.SIGTERM)
        while site.process.runs:
            if time.monotonic() - began > _PATIENCE:
                raise BenchError(f"the page did not stop within {_PATIENCE:.0f} s")
            await asyncio.sleep(0.01)
        return time.monotonic() - began


def _figure(what: str, measured: float, aim: float) -> dict[str, object]:
    return {"what": what, "measured": round(measured, 1), "aim, at most": aim}
