"""The demo as a user runs it: everything from nothing, and nothing left behind."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400)]

DURATION, RATE = 52, 60
"""Until 49 s of the writing the alerts have their reasons; with half the rate, too few deals enter a window."""
LOOKS = 10.0
"""Seconds between two looks at the processes: a look reads all processes of the machine."""
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What a terminal does not show but obeys."""


@dataclass
class Demo:
    """A demo under way: its process, its files, and every process that it has been seen to start."""

    process: subprocess.Popen[bytes]
    folder: Path
    family: set[psutil.Process] = field(default_factory=set)
    data: set[Path] = field(default_factory=set)
    looked: float = 0.0

    @property
    def output(self) -> str:
        return (self.folder / "stdout").read_text("utf-8")

    @property
    def shown(self) -> str:
        """All that went to the terminal."""
        return (self.folder / "terminal").read_text("utf-8", "replace")

    @property
    def progress(self) -> str:
        """What the demo has said in the terminal."""
        return ANSI.sub("", self.shown)

    def wait(self, line: str = "", seconds: float = 300) -> int | None:
        """Return the exit status, or None as soon as the terminal has the line."""
        deadline = time.monotonic() + seconds
        while not (line and line in self.shown):
            status = self.process.poll()
            if status is not None:
                return status
            assert time.monotonic() < deadline, self.progress
            if time.monotonic() - self.looked >= LOOKS:
                self.look()
            time.sleep(0.2)
        self.look()
        return None

    def look(self) -> None:
        """Note the processes that the demo has now."""
        self.looked = time.monotonic()
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                self.family.add(process)
                command = process.cmdline()
                if "-D" in command:  # PostgreSQL's data can lie elsewhere, where root runs the demo
                    self.data.add(Path(command[command.index("-D") + 1]))

    def left_behind(self) -> list[object]:
        """Return the processes and files that are still there."""
        processes = [process for process in self.family if process.is_running()]
        assert self.data
        data = [folder for folder in self.data if folder.parent.exists()]
        return [*processes, *data, *(self.folder / "tmp").iterdir()]


@contextmanager
def terminal(file: Path) -> Iterator[int]:
    """A terminal of 120 x 40 characters; what is shown there goes to a file, too."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 120))

    def copy() -> None:
        with file.open("wb", 0) as seen, suppress(OSError):  # the terminal is closed
            while shown := os.read(master, 65_536):
                seen.write(shown)

    file.touch()
    copying = threading.Thread(target=copy)
    copying.start()
    try:
        yield slave
    finally:
        os.close(slave)
        copying.join()
        os.close(master)


@contextmanager
def demo(folder: Path, *arguments: str, **variables: str) -> Iterator[Demo]:
    """Run the demo in a terminal."""
    (folder / "tmp").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNNELPROOF_")}
    # The terminal is closed last: the demo writes to the terminal until the demo's end.
    with terminal(folder / "terminal") as screen, (folder / "stdout").open("w") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", "demo", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=screen,
            env=environment | {"TMPDIR": str(folder / "tmp"), **variables},
        )
        try:
            yield Demo(process, folder)
        finally:
            process.terminate()
            process.wait(60)


def told(output: str) -> dict[str, int]:
    """Return the numbers of a summary by what is counted; a kind of correction and a kind of revision are apart."""
    text = " ".join(output.split())
    patterns = {
        "writes": r"CRM ([\d,]+) writes in",
        "written in": r"writes in (\d+) s",
        "merged": r"corrections .*?(\d+) deal merged.* log ",
        "events": r"log ([\d,]+) events",
        "windows": r"facts (\d+) windows closed",
        "runs": r"closed, (\d+) runs",
        "revisions": r"revisions (\d+):",
        "compared": r"canonical SQL (\d+) results",
        "pairs": r"results, (\d+) pairs of stages compared",
        "differ": r"compared, (\d+) differ",
        "undecided": r"differ, (\d+) undecided",
        "fired": r"alerts (\d+) fired",
        "resolved": r"fired, (\d+) resolved",
        "retracted": r"resolved, (\d+) retracted",
        "took": r"took (\d+) s",
    }
    found = {name: re.search(pattern, text) for name, pattern in patterns.items()}
    assert all(found.values()), (text, found)
    return {name: int(match[1].replace(",", "")) for name, match in found.items() if match}


def test_a_demo_ends_with_every_closed_window_equal_to_the_canonical_sql_and_a_page_that_stays_until_ctrl_c(
    tmp_path: Path,
) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    variables = {"BROWSER": f"{browser} %s", "DISPLAY": ":0"}
    options = ("--duration", str(DURATION), "--rate", str(RATE), "--seed", "1")
    with demo(tmp_path, *options, **variables) as running:
        stays = "the page stays live at "
        assert running.wait(stays) is None, running.progress
        summary, progress = running.output, running.progress
        assert f"CRM writes for {DURATION} s" in progress
        url = opened.read_text("utf-8").strip()
        assert f"page: {url}" in progress
        assert f"{stays}{url} until Ctrl-C" in progress
        with urlopen(url) as page:  # noqa: S310 - http, on this machine
            assert "Aurora Energy" in page.read().decode()
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 0, running.progress
    assert running.output == summary
    assert summary.splitlines()[-1] == "every closed window equals the canonical SQL"
    result = told(summary)
    assert result["windows"] >= 4
    assert result["revisions"] >= 1
    assert result["runs"] - result["revisions"] == result["compared"] >= 24
    assert (result["differ"], result["undecided"], "dead letters" in summary) == (0, 0, False)
    assert result["pairs"] >= 80
    assert result["writes"] >= 0.8 * DURATION * RATE
    # A row of a merged deal leaves one key of the log and comes to another: two events for one write.
    assert result["events"] == result["writes"] + result["merged"]
    assert (past := re.search(r"backfill: (\d+) windows of the past closed", progress))
    assert int(past[1]) >= 48
    assert (result["fired"], result["resolved"]) >= (2, 1)
    assert result["retracted"] >= 1
    assert DURATION <= result["written in"] < result["took"] < 240
    assert "Traceback" not in progress
    assert len(running.family) >= 7  # supervisor, three servers, worker, alerts, page
    assert running.left_behind() == []


def test_the_second_interrupt_ends_a_demo_without_dashboard_which_has_no_page(tmp_path: Path) -> None:
    with demo(tmp_path, "--no-dashboard", "--rate", "1", DISPLAY=":0") as running:
        assert running.wait("CRM writes until Ctrl-C") is None
        running.process.send_signal(signal.SIGINT)
        assert running.wait("CRM is done") is None
        running.process.send_signal(signal.SIGINT)
        status = running.wait()
    assert status == 130
    assert running.output == ""
    assert "Traceback" not in running.progress
    assert "page" not in running.progress
    assert len(running.family) >= 6  # supervisor, three servers, worker, alerts
    assert running.left_behind() == []
