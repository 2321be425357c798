"""The demo as a user runs it: everything from nothing, and nothing left behind."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400)]


@dataclass
class Demo:
    """A demo under way: its process, its files, and every process that it has been seen to start."""

    process: subprocess.Popen[bytes]
    folder: Path
    family: set[psutil.Process] = field(default_factory=set)
    data: set[Path] = field(default_factory=set)

    @property
    def output(self) -> str:
        return (self.folder / "stdout").read_text("utf-8")

    @property
    def progress(self) -> str:
        """What the demo has said, to a file or in a terminal."""
        files = (self.folder / "stderr", self.folder / "terminal")
        return "".join(file.read_text("utf-8", "replace") for file in files if file.exists())

    def wait(self, condition: Callable[[], bool] = lambda: False, seconds: float = 300) -> int | None:
        """Return the exit status, or None as soon as the condition holds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not condition():
            status = self.process.poll()
            if status is not None:
                return status
            self._look()
            time.sleep(0.2)
        assert condition(), self.progress
        return None

    def _look(self) -> None:
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
def demo(folder: Path, *arguments: str, terminal: int | None = None, **variables: str) -> Iterator[Demo]:
    """Run the demo; `terminal` is a terminal for progress in place of a file."""
    (folder / "tmp").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNNELPROOF_")}
    with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", "demo", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr if terminal is None else terminal,
            env=environment | {"TMPDIR": str(folder / "tmp"), **variables},
        )
        try:
            yield Demo(process, folder)
        finally:
            process.terminate()
            process.wait(60)


def test_a_demo_ends_with_every_closed_window_equal_to_the_canonical_sql(tmp_path: Path) -> None:
    with demo(tmp_path, "--duration", "60", "--rate", "100", "--json", "--seed", "1") as running:
        status = running.wait(seconds=300)
    assert status == 0, running.progress
    result = json.loads(running.output)
    assert result["windows_closed"] >= 4
    assert result["revisions"] >= 1
    assert result["runs"] - result["revisions"] == result["runs_compared"] >= 24
    assert (result["mismatches"], result["undecided"], result["dead_letters"]) == (0, 0, 0)
    assert result["pairs_compared"] >= 80
    assert result["writes"] == sum(result["writes_by_kind"].values()) >= 0.8 * 60 * 100
    # A row of a merged deal leaves one key of the log and comes to another: two events for one write.
    assert result["events"] == result["writes"] + result["writes_by_kind"]["deal_merged"]
    assert (result["seed"], result["rate"]) == (1, 100)
    assert result["windows_backfilled"] >= 48
    assert (result["alerts_fired"], result["alerts_resolved"]) >= (2, 1)
    assert result["alerts_retracted"] >= 1
    assert "alert retracted: Brix Logistics / Freight: Inquiry → Quote" in running.progress
    assert 60 < result["seconds"] < 240
    assert "page: http://127.0.0.1:" in running.progress
    assert len(running.family) >= 7  # supervisor, three servers, worker, alerts, page
    assert running.left_behind() == []


@contextmanager
def terminal(file: Path) -> Iterator[int]:
    """A terminal of 120 x 40 characters; what is shown there goes to a file, too."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 120))

    def copy() -> None:
        with file.open("wb", 0) as seen, suppress(OSError):  # the terminal is closed
            while shown := os.read(master, 65_536):
                seen.write(shown)

    copying = threading.Thread(target=copy)
    copying.start()
    try:
        yield slave
    finally:
        os.close(slave)
        copying.join()
        os.close(master)


def test_the_second_interrupt_ends_a_demo_without_dashboard_which_has_no_page(tmp_path: Path) -> None:
    # The terminal is closed last: the demo writes to the terminal until the demo's end.
    with (
        terminal(tmp_path / "terminal") as screen,
        demo(tmp_path, "--no-dashboard", terminal=screen, DISPLAY=":0") as running,
    ):
        assert running.wait(lambda: "CRM writes until Ctrl-C" in running.progress) is None
        running.process.send_signal(signal.SIGINT)
        assert running.wait(lambda: "CRM is done" in running.progress) is None
        running.process.send_signal(signal.SIGINT)
        status = running.wait()
    assert status == 130
    assert running.output == ""
    assert "Traceback" not in running.progress
    assert "page" not in running.progress
    assert len(running.family) >= 6  # supervisor, three servers, worker, alerts
    assert running.left_behind() == []


def test_in_a_terminal_the_page_opens_in_the_browser_and_stays_live_until_ctrl_c(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    variables = {"BROWSER": f"{browser} %s", "DISPLAY": ":0"}
    with (
        terminal(tmp_path / "terminal") as screen,
        demo(tmp_path, terminal=screen, **variables) as running,
    ):
        assert running.wait(lambda: "CRM writes until Ctrl-C" in running.progress) is None
        running.process.send_signal(signal.SIGINT)
        text = "the page stays live at "
        assert running.wait(lambda: text in running.progress) is None
        assert "every closed window equals the canonical SQL" in running.output
        url = opened.read_text("utf-8").strip()
        assert f"{text}{url} until Ctrl-C" in running.progress
        with urlopen(url) as page:  # noqa: S310 - http, on this machine
            assert "Aurora Energy" in page.read().decode()
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 0
    assert "Traceback" not in running.progress
    assert running.left_behind() == []
