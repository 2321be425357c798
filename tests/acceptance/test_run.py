"""`funnelproof run` as a user runs the command: all programs of an installation on one machine, on the real stack."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from streams.listening import free_ports, listen
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, installed
from tests.integration.stream.writing import keep_writing
from tests.programs import Program
from tests.servers import Servers
from tests.standing_still import stop

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(240)]

PARTS = ("worker-1", "worker-2", "alerts", "reconcile", "page")
PAGE_AND_WORKER = ("--no-alerts", "--no-reconcile")
STARTS = 60.0
"""Seconds in which all programs start on a busy machine."""


@dataclass
class Running:
    """A `funnelproof run` under way, and the log of all programs."""

    process: Program
    file: Path

    @property
    def log(self) -> str:
        return self.file.read_text("utf-8", "replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The whole lines of the log, which is in JSON."""
        return [json.loads(line) for line in self.log.rpartition("\n")[0].splitlines()]

    @property
    def parts(self) -> dict[str, psutil.Process]:
        """The living processes by their commands, which keep their ports when they start again."""
        found = {}
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess, ValueError):  # the process has ended, or has not begun
                words = process.cmdline()
                found[" ".join(words[words.index("streams.supervising.tether") + 1 :])] = process
        return found

    async def kill(self, command: str) -> None:
        """Kill the program whose command begins with this word, and wait until the program is back."""
        words, process = next(part for part in self.parts.items() if part[0].startswith(command))
        process.kill()
        await self.tells(lambda: self.parts.get(words, process) != process)

    def suspend_worker(self) -> None:
        """Stop a worker's process, as a debugger would."""
        stop(next(process.pid for words, process in self.parts.items() if words.startswith("worker")))

    def url(self, name: str) -> str:
        """The address that the summary tells."""
        found = re.search(rf"^{name} +(http://\S+?)(?:/metrics)?\s*$", self.log, re.MULTILINE)
        assert found, self.log
        return found[1]

    async def tells(self, condition: Callable[[], object], seconds: float = STARTS) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            await asyncio.sleep(0.05)

    async def answers(self, url: str) -> None:
        """Wait until a site answers."""
        deadline = time.monotonic() + STARTS
        async with httpx.AsyncClient(timeout=20, follow_redirects=True) as client:
            while True:
                try:
                    answer = await client.get(url)
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code == 200:
                    return
                assert time.monotonic() < deadline, (url, answer, self.log)
                await asyncio.sleep(0.1)

    def end(self, number: signal.Signals, seconds: float = 20) -> tuple[int, float]:
        """Send a signal; return the exit status and the seconds until the end."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(seconds)
        took = time.monotonic() - began
        _, left = psutil.wait_procs(family, timeout=0 if number != signal.SIGKILL else seconds)
        assert left == []
        return status, took


@contextmanager
def run(
    installation: Installation, *options: str, environment: dict[str, str] | None = None
) -> Iterator[Running]:
    """Start the command; whatever the test leaves running ends with the block."""
    file = installation.folder / f"run-{time.monotonic_ns()}.log"
    process = Program(("run", *options), installation.environment | (environment or {}), file, file)
    try:
        yield Running(process, file)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
async def installation(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("run")
    async with installed(servers, template, folder, WINDOWS="3s,1h", PROOF_WAIT="6s") as installation:
        yield installation


async def test_all_programs_come_up_with_a_log_in_json_and_one_that_is_killed_is_back_with_the_right_numbers(
    installation: Installation,
) -> None:
    funnel = Funnel()
    await funnel.create(installation.connection)
    options = ("--workers", "2", "--every", "5s", "--port", "0")
    with run(installation, *options, environment={"FUNNELPROOF_LOG_FORMAT": "json"}) as running:
        await installation.wait_until_folding()
        await running.tells(lambda: len(running.parts) == len(PARTS))
        await running.tells(lambda: '"program": "page"' in running.log)
        (summary,) = [line for line in running.lines if line["event"] == "starts"]
        assert summary["every"] == "5s"
        assert summary["page"].startswith("http://127.0.0.1:")
        for command in ("alerts", "reconcile", "dashboard"):
            await running.kill(command)
        async with keep_writing(installation, [funnel]) as writing:
            await running.kill("worker")
            await running.answers(summary["page"])
            await running.answers(f"{summary['worker-1']}/metrics")
            await running.answers(f"{summary['alerts']}/metrics")
        assert writing.corrections > 10
        await installation.proven(seconds=60)
        await installation.right(funnel.tenant, seconds=60)
        status, compared = await asyncio.to_thread(installation.reconcile)
        assert (status, compared["differences"], compared["undecided"]) == (0, [], [])
        status, took = await asyncio.to_thread(running.end, signal.SIGINT)
    assert status == 0, running.log
    assert took < 10
    assert "Traceback" not in running.log
    back = [line for line in running.lines if line["event"] == "ended and starts again"]
    assert [line["program"] for line in back] == ["alerts", "reconcile", "page", "worker-1"]
    assert {line["how"] for line in back} == {"was ended by SIGKILL"}
    assert {line.get("program") for line in running.lines} == {*PARTS, None}


async def test_a_log_for_people_tells_the_addresses_and_no_program_outlives_a_run_that_is_killed(
    installation: Installation,
) -> None:
    with run(installation, "--workers", "2", "--port", "0") as running:
        await installation.wait_until_folding()
        for name in ("worker-1", "worker-2", "alerts"):
            await running.answers(f"{running.url(name)}/metrics")
        await running.answers(running.url("page"))
        assert len({running.url(name) for name in PARTS if name != "reconcile"}) == 4
        assert [name for name in PARTS if f"\n{name}" not in running.log] == []
        await running.tells(lambda: len(running.parts) == len(PARTS))
        running.suspend_worker()  # one of the two: a stopped program ends, too
        await asyncio.to_thread(running.end, signal.SIGKILL, 30)


async def test_a_stopped_worker_ends_in_order_with_the_others(installation: Installation) -> None:
    with run(installation, "--no-dashboard", "--no-alerts", "--no-reconcile") as running:
        await installation.wait_until_folding()
        assert len(running.parts) == 1
        running.suspend_worker()
        status, took = await asyncio.to_thread(running.end, signal.SIGTERM)
    assert (status, took < 15) == (0, True)
    assert "is killed" not in running.log


def refused(installation: Installation, *options: str, **settings: str) -> str:
    """Run the command, which must end by itself with exit status 2; return what was told."""
    environment = {f"FUNNELPROOF_{name}": value for name, value in settings.items()}
    with run(installation, *options, environment=environment) as running:
        assert running.process.wait(60) == 2, running.log
    assert "Traceback" not in running.log
    return running.log


def last_line(log: str) -> str:
    return log.splitlines()[-1]


def test_a_wrong_setting_ends_with_the_reason_before_anything_starts(installation: Installation) -> None:
    log = refused(installation, WINDOWS="fortnight")
    assert log.startswith("funnelproof: wrong settings:\n  FUNNELPROOF_WINDOWS: ")
    assert "|" not in log


def test_a_program_that_cannot_start_ends_all_with_its_reason(installation: Installation) -> None:
    (port,) = free_ports(1)
    log = refused(installation, *PAGE_AND_WORKER, "--port", "0", KAFKA=f"127.0.0.1:{port}")
    assert last_line(log).startswith("funnelproof: worker-1 ended with status 2: ")
    assert "FUNNELPROOF_KAFKA" in last_line(log)
    assert "starts again" not in log


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--every", "soon"), "--every"),
        (("--workers", "0"), "--workers"),
        (("--port", "9464", "--web-port", "9464"), "cannot both listen on port 9464"),
        (("--web-port", "65535"), "65535"),
        (("--web-host", "no.such.host.invalid"), "--web-host"),
        (("--host", "no.such.host.invalid"), "the page cannot listen on no.such.host.invalid"),
        ((*PAGE_AND_WORKER, "--host", "0.0.0.0"), "funnelproof dashboard token add"),  # noqa: S104 - refused
    ],
    ids=["interval", "workers", "one port", "last port", "no address", "no page", "page for all"],
)
def test_wrong_options_end_with_a_reason(
    installation: Installation, options: tuple[str, ...], reason: str
) -> None:
    assert reason in last_line(refused(installation, *options))


def test_a_port_in_use_is_told_with_the_options_that_choose_another(installation: Installation) -> None:
    with listen("127.0.0.1", 0) as taken:
        log = refused(installation, *PAGE_AND_WORKER, "--port", str(taken.getsockname()[1]))
    assert last_line(log).startswith(
        "funnelproof: page ended with status 2: the page cannot listen on 127.0.0.1"
    )
    assert "--port" in last_line(log)
