"""Programs under a supervisor: real processes, small ones."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from streams.errors import FunnelproofError
from streams.supervising.program import Program
from streams.supervising.supervisor import GivenUpError, Supervisor, how_ended, reason_of
from tests.programs import untraced
from tests.standing_still import stop

WAITS = "import time, os; print('pid', os.getpid(), flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


def program(code: str, name: str = "one", *, needed: bool = True) -> Program:
    """Run some lines of Python, without its packages and without a tracer."""
    return Program(name, ["--", sys.executable, "-S", "-c", code], untraced(), needed=needed)


def first_1_then_2(folder: Path) -> str:
    """Code that sets `n` to 1 in the first run, and to 2 afterwards."""
    ran = str(folder / "ran")
    return f"import pathlib, sys; p = pathlib.Path({ran!r}); n = 2 if p.exists() else 1; p.touch()"


class Told:
    """The lines that programs have written, and the pids that they tell in them."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    @property
    def pids(self) -> list[int]:
        return [int(line.split()[1]) for _, line in self.lines if line.startswith("pid ")]


async def soon(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_a_program_that_is_killed_comes_back_and_its_lines_are_passed_on() -> None:
    told = Told()
    async with Supervisor(told.write) as supervisor:
        supervisor.start(program(WAITS))
        supervisor.start(program("print('hello')" + f"; {WAITS}", "two"))
        await soon(lambda: len(told.pids) == 2)
        assert ("two", "hello") in told.lines
        one = next(int(line.split()[1]) for name, line in told.lines if name == "one")
        os.kill(one, signal.SIGKILL)
        await soon(lambda: len(told.pids) == 3)
        assert told.lines[-1][0] == "one"
    assert not any(map(alive, told.pids))


async def test_what_a_killed_tether_leaves_goes_before_the_next_start() -> None:
    told = Told()
    async with Supervisor(told.write) as supervisor:
        supervisor.start(program(WAITS))
        await soon(lambda: len(told.pids) == 1)
        tether = psutil.Process(told.pids[0]).parent()
        assert tether is not None
        tether.kill()
        await soon(lambda: len(told.pids) == 2)
        assert not alive(told.pids[0])


@pytest.mark.parametrize("needed", [True, False])
async def test_a_first_start_that_is_a_mistake_ends_all_with_the_reason(needed: bool) -> None:
    told = Told()
    mistake = "import sys; print('funnelproof: wrong settings:\\n  NAME: unknown'); sys.exit(2)"
    async with Supervisor(told.write) as supervisor:
        supervisor.start(program(WAITS))
        await soon(lambda: len(told.pids) == 1)
        supervisor.start(program(mistake, "wrong", needed=needed))
        with pytest.raises(FunnelproofError, match=r"^wrong ended with status 2: wrong settings:\n  NAME"):
            await supervisor.watch()
    assert not alive(told.pids[0])


async def test_a_program_that_nobody_needs_is_left_out_when_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("streams.supervising.restarts.MOST_MISTAKES", 1)
    told = Told()
    async with Supervisor(told.write) as supervisor:
        watching = asyncio.create_task(supervisor.watch())
        supervisor.start(program(WAITS))
        supervisor.start(
            program(f"{first_1_then_2(tmp_path)}; print('ran', n); sys.exit(n)", "left out", needed=False)
        )
        await soon(lambda: told.lines.count(("left out", "ran 2")) == 1 and bool(told.pids))
        await asyncio.sleep(1.5)  # longer than the first pause
        assert told.lines.count(("left out", "ran 2")) == 1
        assert alive(told.pids[0])
        assert not watching.done()
        watching.cancel()


async def test_a_needed_program_that_is_given_up_later_ends_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("streams.supervising.restarts.MOST_MISTAKES", 1)
    async with Supervisor(Told().write) as supervisor:
        supervisor.start(program(f"{first_1_then_2(tmp_path)}; sys.exit(n)"))
        with pytest.raises(GivenUpError, match="status 2"):
            await supervisor.watch()


async def test_a_stopped_program_ends_in_order_and_a_deaf_one_is_killed() -> None:
    told = Told()
    polite = (
        f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0))); {WAITS}"
    )
    async with Supervisor(told.write, patience=3) as supervisor:
        supervisor.start(program(polite, "stopped"))
        supervisor.start(program(DEAF, "deaf"))
        await soon(lambda: len(told.pids) == 2)
        stopped = next(int(line.split()[1]) for name, line in told.lines if name == "stopped")
        tether = psutil.Process(stopped).parent()
        assert tether is not None
        stop(tether.pid)
        began = time.monotonic()
    assert ("stopped", "bye") in told.lines
    assert 2.5 < time.monotonic() - began < 8
    await soon(lambda: not any(map(alive, told.pids)), seconds=2)  # a SIGKILL takes a moment


async def test_the_stop_does_not_wait_for_the_pause_of_a_program_that_has_ended() -> None:
    told = Told()
    async with Supervisor(told.write) as supervisor:
        supervisor.start(program("import sys; print('ran'); sys.exit(1)"))
        await soon(lambda: len(told.lines) >= 3 and not supervisor._runs)  # the pause is of seconds now
        began = time.monotonic()
    assert time.monotonic() - began < 1.5


async def test_a_program_that_could_not_be_started_is_tried_again(tmp_path: Path) -> None:
    told, folder = Told(), tmp_path / "later"
    async with Supervisor(told.write) as supervisor:
        supervisor.start(Program("one", ["--", sys.executable, "-c", WAITS], os.environ, folder))
        await asyncio.sleep(0.2)  # the first start fails at once
        folder.mkdir()
        await soon(lambda: bool(told.pids))


async def test_a_program_with_a_delay_starts_after_the_others() -> None:
    told = Told()
    async with Supervisor(told.write) as supervisor:
        supervisor.start(replace(program("print('late')", "late"), delay=1.0))
        supervisor.start(program(WAITS))
        began = time.monotonic()
        await soon(lambda: ("late", "late") in told.lines)
    assert time.monotonic() - began >= 1
    assert told.lines[0][0] == "one"


OWNER = """
import asyncio, os, sys
from streams.supervising.program import Program
from streams.supervising.supervisor import Supervisor

async def own():
    async with Supervisor(lambda name, line: print(line, flush=True)) as supervisor:
        for code in sys.argv[1:]:
            supervisor.start(Program(code, ["--", sys.executable, "-c", code], os.environ))
        await supervisor.watch()

asyncio.run(own())
"""


async def test_no_program_outlives_a_supervisor_that_is_killed() -> None:
    """One of two programs runs, the other's tether stands still."""
    with subprocess.Popen(  # noqa: ASYNC220 - the test has nothing else to do
        [sys.executable, "-c", textwrap.dedent(OWNER), WAITS, f"pass; {WAITS}"],
        env=untraced(),
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        family = [psutil.Process(int(owner.stdout.readline().split()[1])) for _ in range(2)]
        tethers = [parent for process in family if (parent := process.parent())]
        assert len(tethers) == 2
        stop(tethers[0].pid)
        owner.kill()
    await soon(lambda: not any(alive(process.pid) for process in [*family, *tethers]))


def test_an_end_and_its_reason_are_told_in_words() -> None:
    assert how_ended(1) == "ended with status 1"
    assert how_ended(-9) == "was ended by SIGKILL"
    assert how_ended(-40) == "was ended by signal 40"
    assert (
        reason_of(["x", "funnelproof: first", "funnelproof: no topic", "  do this"]) == "no topic\n  do this"
    )
    assert reason_of(["a", "b"]) == "the end of its log:\na\nb"
