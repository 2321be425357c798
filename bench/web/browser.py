"""Debian's Chromium with many pages, each in a browser context of its own: no page shares connections with another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import aiohttp

from bench.errors import BenchError
from tests.integration.web.browser import CHROMIUM, Tab

OpenTab = Callable[[], Awaitable[Tab]]

_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)
_PATIENCE = 60.0


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[OpenTab]:
    """Run Chromium with a profile in `folder`, and give the function that opens a tab in a new context.

    Raises BenchError without Chromium.
    """
    if CHROMIUM is None:
        raise BenchError("no Chromium is installed: apt-get install chromium")
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *_SWITCHES, f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port, path = await _endpoint(folder / "DevToolsActivePort")
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())

            async def attach(address: str) -> Tab:
                socket = await stack.enter_async_context(
                    session.ws_connect(f"ws://127.0.0.1:{port}{address}", max_msg_size=0)
                )
                return Tab(socket, count(1), [], [])

            whole = await attach(path)

            async def open_tab() -> Tab:
                context = await whole.call("Target.createBrowserContext")
                target = await whole.call("Target.createTarget", url="about:blank", **context)
                tab = await attach(f"/devtools/page/{target['targetId']}")
                for domain in ("Page", "Runtime"):
                    await tab.call(f"{domain}.enable")
                return tab

            yield open_tab
    finally:
        process.terminate()
        await process.wait()


async def opened(tab: Tab, url: str) -> None:
    """Open a page in a tab, and wait until the page is loaded, however busy the machine is."""
    await tab.call("Page.navigate", url=url)
    await tab.until("document.readyState === 'complete' && location.href !== 'about:blank'", _PATIENCE)


async def _endpoint(file: Path) -> tuple[int, str]:
    """Return the port and the path at which the browser listens, once the browser has written both down."""
    async with asyncio.timeout(_PATIENCE):
        while len(lines := await asyncio.to_thread(_lines, file)) < 2:
            await asyncio.sleep(0.05)
    return int(lines[0]), lines[1]


def _lines(file: Path) -> list[str]:
    return file.read_text("ascii").splitlines() if file.exists() else []
