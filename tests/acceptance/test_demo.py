"""The demo as a user runs it: everything from nothing, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

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
        return (self.folder / "stderr").read_text("utf-8")

    def wait(self, condition: Callable[[], bool] = lambda: False, seconds: float = 200) -> int | None:
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
def demo(folder: Path, *arguments: str) -> Iterator[Demo]:
    (folder / "tmp").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNNELPROOF_")}
    with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", "demo", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=environment | {"TMPDIR": str(folder / "tmp")},
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
    assert len(running.family) >= 6  # supervisor, three servers, worker, alerts
    assert running.left_behind() == []


def test_the_first_interrupt_ends_the_writing_and_the_second_the_demo(tmp_path: Path) -> None:
    with demo(tmp_path, "--json") as running:
        assert running.wait(lambda: "CRM writes" in running.progress) is None
        running.process.send_signal(signal.SIGINT)
        assert running.wait(lambda: "CRM is done" in running.progress) is None
        running.process.send_signal(signal.SIGINT)
        status = running.wait()
    assert status == 130
    assert running.output == ""
    assert "Traceback" not in running.progress
    assert len(running.family) >= 5  # supervisor, three servers, worker
    assert running.left_behind() == []
