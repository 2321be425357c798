"""How soon the page tells that something stands still, and how soon the page is live again."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.contender import ROOT
from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import Installation, crm, installed, writing
from bench.processes import Measured, measured
from bench.servers import Servers, connected
from bench.web.browser import browser, opened
from bench.web.crm import new_funnels
from bench.web.site import Site, serving
from streams.local.server import Server
from streams.local.stack import LocalStack
from tests.integration.web.browser import Tab

_RATE = 20
_STOPPED = 8.0
"""The least seconds for which a program stands still: less than a worker's session in Kafka."""
_LIVE = "document.querySelector('#freshness .message').textContent.startsWith('Live')"
_TOLD = "document.querySelector('#freshness').textContent.replace(/\\s+/g, ' ').trim()"
_PATIENCE = 120.0

Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """A stop, and what mends the stop."""

    name: str
    stop: Step
    mend: Step


@dataclass
class Programs:
    """The programs that are stopped; a program that was killed is replaced by a new one."""

    stack: LocalStack
    installation: Installation
    folder: Path
    running: AsyncExitStack
    worker: Measured
    site: Site
    started: int = 0

    def faults(self) -> list[Fault]:
        """Return the faults in the order in which they happen."""
        servers = {"Connect": self.stack.connect, "Kafka": self.stack.kafka, "Postgres": self.stack.postgres}
        return [
            _paused("worker paused", lambda: self.worker.pid),
            Fault("worker killed", lambda: _kill(self.worker.pid), self._start_worker),
            *(_paused(f"{name} paused", _pid_of(server)) for name, server in servers.items()),
            _paused("page paused", lambda: self.site.process.pid),
            Fault("page killed", lambda: _kill(self.site.process.pid), self._start_page),
        ]

    async def _start_worker(self) -> None:
        self.started += 1
        log = self.folder / f"worker{self.started}.log"
        command = [sys.executable, "-m", "streams", "worker"]
        self.worker = self.running.enter_context(measured(command, self.installation.environment, log, ROOT))

    async def _start_page(self) -> None:
        port = int(self.site.address.rpartition(":")[2])
        log = self.folder / "page-again.log"
        self.site = await self.running.enter_async_context(serving(self.installation.environment, log, port))


async def measure(setting: Setting) -> Finding:
    """Stop one program after the other on servers of their own, and look at one page."""
    folder = setting.folder / "page-stops"
    async with AsyncExitStack() as running:
        stack = LocalStack(folder / "servers", console=setting.console)
        running.callback(stack.erase)
        environment = running.enter_context(stack.running())
        servers = Servers(
            stack.postgres.dsn(), environment["FUNNELPROOF_KAFKA"], environment["FUNNELPROOF_CONNECT_URL"]
        )
        dsn = await running.enter_async_context(servers.database("bench_stops"))
        await running.enter_async_context(crm(dsn))
        installation = await running.enter_async_context(installed(servers, dsn, dsn, folder / "cdc"))
        site = await running.enter_async_context(serving(installation.environment, folder / "page.log"))
        open_tab = await running.enter_async_context(browser(folder / "chromium"))
        await running.enter_async_context(writing(dsn, _RATE, folder))
        async with connected(dsn) as connection:
            (funnel,) = await new_funnels(connection, 1)
        programs = Programs(stack, installation, folder, running, installation.worker, site)
        tab = await open_tab()
        await opened(tab, site.url(funnel, "day"))
        rows = []
        for fault in programs.faults():
            rows.append(await _row(tab, fault))
            setting.console.print(str(rows[-1]), markup=False, highlight=False)
    return Finding(
        "Stops, told by the page",
        f"One page in Chromium; {_RATE} rows/s are written. Paused: SIGSTOP, then SIGCONT after {_STOPPED:.0f} s or "
        "more; killed: SIGKILL, then started anew, the start-up is in the time. Told: until the page is not live in "
        "its own words.",
        rows,
    )


async def _row(tab: Tab, fault: Fault) -> dict[str, object]:
    await tab.until(_LIVE, _PATIENCE)
    began = time.monotonic()
    await fault.stop()
    try:
        await tab.until(f"!{_LIVE}", _PATIENCE)
        told, words = time.monotonic() - began, str(await tab.value(_TOLD))
        await asyncio.sleep(max(0.0, _STOPPED - told))
    finally:
        mended = time.monotonic()
        await fault.mend()
    await tab.until(_LIVE, _PATIENCE)
    return {
        "stop": fault.name,
        "told after, s": round(told, 1),
        "words": words,
        "live again after, s": round(time.monotonic() - mended, 1),
    }


def _paused(name: str, pid: Callable[[], int]) -> Fault:
    return Fault(name, lambda: _send(pid(), signal.SIGSTOP), lambda: _send(pid(), signal.SIGCONT))


def _pid_of(server: Server) -> Callable[[], int]:
    def pid() -> int:
        if server.pid is None:
            raise BenchError(f"{server.name} does not run")
        return server.pid

    return pid


async def _send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and to all processes below."""
    process = psutil.Process(pid)
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(number)


async def _kill(pid: int) -> None:
    await _send(pid, signal.SIGKILL)
