import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.local.process import Identity, Launch, ServerProcess

Spawn = Callable[[str], ServerProcess]


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    spawned: list[ServerProcess] = []

    def spawn(program: str) -> ServerProcess:
        process = ServerProcess(tmp_path / "process.json", tmp_path / "log")
        spawned.append(process)
        process.spawn(Launch([sys.executable, "-c", program], {}, tmp_path))
        return process

    yield spawn
    for process in spawned:
        process.kill()


def again(tmp_path: Path) -> ServerProcess:
    """What another command sees of the same server."""
    return ServerProcess(tmp_path / "process.json", tmp_path / "log")


def test_a_process_is_found_again_by_its_record(spawn: Spawn, tmp_path: Path) -> None:
    process = spawn("import time; time.sleep(60)")
    assert again(tmp_path).pid == process.pid is not None


def test_a_recycled_pid_is_nobody_and_is_not_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        now = Identity.of(stranger.pid)
        assert now is not None
        (tmp_path / "process.json").write_text(json.dumps({"pid": stranger.pid, "started": now.started - 60}))
        process = again(tmp_path)
        assert process.pid is None
        process.kill()
        process.stop(signal.SIGTERM, patience=1)
        assert stranger.poll() is None
        stranger.kill()


def test_a_dead_child_that_nobody_has_reaped_does_not_run() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert Identity.of(child.pid) is None


@pytest.mark.parametrize("record", ["", "null", "{}", '{"pid": 1}'])
def test_a_record_that_says_nothing_means_that_nothing_runs(tmp_path: Path, record: str) -> None:
    (tmp_path / "process.json").write_text(record)
    assert again(tmp_path).pid is None


def test_stop_asks_first_and_kills_only_who_does_not_listen(spawn: Spawn, tmp_path: Path) -> None:
    polite = spawn(
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye', flush=True)));"
        "print('ready', flush=True); time.sleep(60)"
    )
    while "ready" not in polite.last_lines():
        pass
    again(tmp_path).stop(signal.SIGTERM, patience=10)
    assert (polite.pid, polite.last_lines()) == (None, "ready\nbye")

    deaf = spawn(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    while "ready" not in deaf.last_lines():
        pass
    deaf.stop(signal.SIGTERM, patience=0.2)
    assert deaf.pid is None


def test_kill_takes_the_children_along(spawn: Spawn) -> None:
    parent = spawn(
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); child.wait()"
    )
    while not parent.last_lines():
        pass
    child = Identity.of(int(parent.last_lines()))
    assert child is not None
    parent.kill()
    assert parent.pid is None
    assert not child.alive()


def test_the_last_lines_are_those_of_the_last_start(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("of a former life\n")
    process = spawn("print('one'); print('two'); print('three')")
    while process.pid:
        pass
    assert process.last_lines(2) == "two\nthree"
    assert process.last_lines() == "one\ntwo\nthree"
