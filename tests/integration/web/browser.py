"""Debian's Chromium, driven over its DevTools protocol."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0",
    "--disable-back-forward-cache",  # which gives each page a process of its own
)  # fmt: skip


@dataclass
class Line:
    """A line to the browser or to one of its tabs, for commands."""

    socket: aiohttp.ClientWebSocketResponse
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result; note the events that come meanwhile."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            told = json.loads((await asyncio.wait_for(self.socket.receive(), 20)).data)
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            if "method" in told:  # not the result of a command that was given up
                self.note(told)

    def note(self, told: dict[str, Any]) -> None:
        """Note an event."""


@dataclass
class Tab(Line):
    """A tab. `requests` are the URLs that the tab has asked for; `complaints` what its console has told.

    `held` are the requests that wait for `release`.
    """

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)

    def note(self, told: dict[str, Any]) -> None:
        """Note a request, a request that is held back, or a complaint."""
        if told["method"] == "Network.requestWillBeSent":
            self.requests.append(told["params"]["request"]["url"])
        if told["method"] == "Fetch.requestPaused":
            self.held.append(told["params"]["requestId"])
        if told["method"] in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.complaints.append(str(told["params"]))

    async def value(self, expression: str) -> Any:  # noqa: ANN401 - what the page answers
        """Return the value of a JavaScript expression; of a promise, once the promise is fulfilled."""
        result = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def hold(self, pattern: str) -> None:
        """Hold back the answers to requests whose URL has the pattern."""
        await self.call("Fetch.enable", patterns=[{"urlPattern": pattern, "requestStage": "Response"}])

    async def release(self) -> None:
        """Let the answers through that are held back."""
        while self.held:
            await self.call("Fetch.continueRequest", requestId=self.held.pop())

    async def open(self, url: str) -> None:
        """Open a page and wait until the page is loaded."""
        await self.call("Page.navigate", url=url)
        origin = "/".join(url.split("/")[:3])  # the tab may still show a page of another server
        await self.until(f"document.readyState === 'complete' && location.origin === '{origin}'")

    async def look(self, width: int, height: int, theme: str) -> None:
        """Have a screen of a width and height (below 640 a phone's), with the theme `light` or `dark`."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 640,
        )
        await self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}]
        )

    async def press(self, key: str, *, back: bool = False) -> None:
        """Press a key, as `Tab` or `Enter`; `back`: with the shift key."""
        code = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key if len(key) > 1 else "", modifiers=8 * back,
                windowsVirtualKeyCode=code, **(text if kind == "keyDown" else {}),
            )  # fmt: skip

    async def picture(self, width: int, theme: str, quality: int, most: int = 1600) -> bytes:
        """Return the page as WebP, `most` pixels of it at most: from the top, or from the place that the URL names."""
        height = int(await self.value("document.documentElement.scrollHeight"))
        await self.look(width, min(most, height), theme)
        await self.value("location.hash && document.querySelector(location.hash).scrollIntoView()")
        told = await self.call("Page.captureScreenshot", format="webp", quality=quality)
        return base64.b64decode(told["data"])

    async def until(self, expression: str, seconds: float = 15.0) -> float:
        """Wait until an expression is true; return the seconds."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not await self.value(expression):
            assert loop.time() - begun < seconds, (
                f"{expression} in {await self.value('document.body.innerText')}"
            )
            await asyncio.sleep(0.02)
        return loop.time() - begun


@dataclass(frozen=True)
class Browser:
    """A browser that runs; to start one takes longer than most tests of a page."""

    http: aiohttp.ClientSession
    line: Line

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """Have a tab with a profile of its own, as of a browser that has just been started."""
        profile = await self.line.call("Target.createBrowserContext")
        target = await self.line.call("Target.createTarget", url="about:blank", newWindow=True, **profile)
        try:
            address = f"/devtools/page/{target['targetId']}"
            async with self.http.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Network", "Log", "Runtime"):
                    await tab.call(f"{domain}.enable")
                yield tab
        finally:
            await self.line.call("Target.disposeBrowserContext", **profile)


@asynccontextmanager
async def running_browser(folder: Path) -> AsyncIterator[Browser]:
    """Have a browser with its files in `folder`."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *_SWITCHES, f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port, path = await _address(folder / "DevToolsActivePort")
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
            http.ws_connect(path, max_msg_size=0) as socket,
        ):
            yield Browser(http, Line(socket))
    finally:
        process.terminate()
        await process.wait()


async def _address(file: Path) -> tuple[str, str]:
    """Return the port of the browser, and the path of the line to the browser itself."""
    async with asyncio.timeout(30):
        while len(told := (await asyncio.to_thread(_text, file)).split()) < 2:
            await asyncio.sleep(0.05)
    return told[0], told[1]


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
