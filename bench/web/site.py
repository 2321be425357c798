"""The page as a user starts the page, in a process of its own, and what the page and its sessions in Postgres cost."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import psutil

from bench.contender import ROOT
from bench.errors import BenchError
from bench.processes import Measured, measured
from bench.statements import statement
from bench.web.crm import Funnel
from streams.store.database import OwnConnection

_ADDRESS = re.compile(r"the page is at (http://\S+)")
_PATIENCE = 60.0


@dataclass(frozen=True)
class Site:
    """A page that is served at `address` by `process`."""

    address: str
    process: Measured

    def url(self, funnel: Funnel, window: str, **more: str) -> str:
        """Return the address of a pipeline's page."""
        return f"{self.address}/?{where(funnel, window, **more)}"


def where(funnel: Funnel, window: str, **more: str) -> str:
    """Return the parameters of a pipeline's page."""
    return urlencode({"tenant": funnel.tenant, "pipeline": funnel.pipeline, "window": window, **more})


@asynccontextmanager
async def serving(environment: Mapping[str, str], log: Path, port: int = 0) -> AsyncIterator[Site]:
    """Serve the page for the length of a block. Raises BenchError if the page does not start."""
    command = [sys.executable, "-m", "streams", "dashboard", "--port", str(port)]
    with measured(command, environment, log, ROOT) as process:
        yield Site(await _address(process, log), process)


async def _address(process: Measured, log: Path) -> str:
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while not (found := _ADDRESS.search(await asyncio.to_thread(log.read_text, "utf-8"))):
        if not process.runs or loop.time() > until:
            raise BenchError(f"the page did not start: {process.last_words()}")
        await asyncio.sleep(0.05)
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{found[1]}/api/v1/health"):
                    return found[1]
            except aiohttp.ClientError:
                if loop.time() > until:
                    raise BenchError(f"the page does not answer: {process.last_words()}") from None
                await asyncio.sleep(0.05)


async def sessions_cpu(connection: OwnConnection) -> dict[int, float]:
    """Return the CPU seconds of the page's sessions in Postgres, by process."""
    rows = await connection.fetch(statement("web_sessions"))
    spent = {}
    for row in rows:
        try:
            times = psutil.Process(row["pid"]).cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent[row["pid"]] = float(times.user + times.system)
    return spent


@asynccontextmanager
async def streams_of(urls: list[str]) -> AsyncIterator[list[aiohttp.ClientResponse]]:
    """Have an open stream of each address, as a browser that follows a page has.

    Raises aiohttp.ClientResponseError for an address that has no stream.
    """
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None), raise_for_status=True
        ) as session,
        AsyncExitStack() as stack,
    ):
        yield [await stack.enter_async_context(session.get(url)) for url in urls]


async def messages(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the messages of a stream."""
    held = b""
    async for piece in answer.content.iter_any():
        *whole, held = (held + piece).split(b"\n\n")
        for each in whole:
            yield each
