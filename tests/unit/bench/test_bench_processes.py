import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.processes import Measured, measured

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
CHILD = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {BURN!r}])\n"
SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"


def until(program: Measured, words: str) -> None:
    deadline = time.monotonic() + 20
    while words not in program.last_words():
        assert program.runs
        assert time.monotonic() < deadline
        time.sleep(0.02)


def until_ended(program: Measured) -> None:
    deadline = time.monotonic() + 20
    while program.runs:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(process: psutil.Process) -> bool:
    """Whether it still runs a moment from now; one that only waits to be reaped does not."""
    time.sleep(0.2)
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("script", [BURN, CHILD], ids=["itself", "its child"])
def test_cpu_is_known_of_a_program_that_has_ended_and_of_its_children(script: str, tmp_path: Path) -> None:
    with measured([sys.executable, "-c", script], {}, tmp_path / "log", tmp_path) as program:
        until_ended(program)
        assert 0.25 < program.cpu() < 5


def test_a_child_that_runs_is_counted(tmp_path: Path) -> None:
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN + SLEEP!r}])\n"
    with measured([sys.executable, "-c", script], {}, tmp_path / "log", tmp_path) as program:
        until(program, "ready")
        assert program.cpu() > 0.25


def test_peak_memory_is_what_was_once_held(tmp_path: Path) -> None:
    script = "held = bytearray(100 * 2**20)\ndel held\n" + SLEEP
    with measured([sys.executable, "-c", script], {}, tmp_path / "log", tmp_path) as program:
        until(program, "ready")
        assert 100 < program.peak() < 200


def test_nothing_is_left_of_a_program_that_does_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.processes._STOP_SECONDS", 0.5)
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {deaf!r}])\n"
    with measured([sys.executable, "-c", script], {}, tmp_path / "log", tmp_path) as program:
        until(program, "ready")
        family = [psutil.Process(pid) for pid in _sleepers(tmp_path)]
        assert len(family) == 2
    assert not [process for process in family if runs(process)]


def test_the_projects_own_settings_do_not_reach_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNNELPROOF_KAFKA", "elsewhere")
    script = "import os\nprint(os.environ.get('FUNNELPROOF_KAFKA'), os.environ['BENCH_TOPIC'], flush=True)\n"
    with measured(
        [sys.executable, "-c", script], {"BENCH_TOPIC": "t"}, tmp_path / "log", tmp_path
    ) as program:
        until_ended(program)
        assert program.last_words() == "None t"


def _sleepers(folder: Path) -> list[int]:
    return [process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]
