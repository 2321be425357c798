"""`funnelproof` in processes of its own, forked from one process that has imported the program.

Tests start hundreds of commands and workers. An import of the program takes most of a second, a fork takes
milliseconds. The forked process does what the command does in a shell, with the environment that is given. The tests in
`acceptance/` that are about the command line start commands as a shell does.
"""

import atexit
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, get_context
from multiprocessing.connection import wait
from pathlib import Path

TRACED = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage asks a new process to be traced."""
_context = get_context("forkserver")
_context.set_forkserver_preload(["__main__", "tests.programs_imported"])
_one_at_a_time = threading.Lock()
"""Held while a process is started or asked for its status: multiprocessing reads the status of all its processes."""
_begun: list["Program"] = []


Words = Sequence[str]
"""A command without the program's name, for example `["connector", "apply"]`."""


def be_command(words: Words) -> None:
    """Be `funnelproof` with these words."""
    sys.argv = ["funnelproof", *words]
    from streams.cli.main import main  # noqa: PLC0415 - imported before, by `programs_imported`

    main()


class Program:
    """A running command. The output goes to the files `out` and `err`; both may be the same file.

    `be` is what the process does with the words; the function must be one that another process can import.
    """

    def __init__(
        self,
        words: Words,
        environment: Mapping[str, str],
        out: Path,
        err: Path,
        be: Callable[[Words], None] = be_command,
    ) -> None:
        for file in (out, err):
            file.write_bytes(b"")
        self._process = _context.Process(
            target=_run, args=(be, tuple(words), dict(environment), str(out), str(err))
        )
        with _one_at_a_time:
            with _untraced():
                forkserver.ensure_running()
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        _begun.append(self)

    @property
    def returncode(self) -> int | None:
        """The exit status; None while the command runs, -9 after a SIGKILL."""
        with _one_at_a_time:
            return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status, or None while the command runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit status. Raises TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.returncode) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left < 0:
                raise subprocess.TimeoutExpired("funnelproof", timeout or 0.0)
            wait([self._process.sentinel], left)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the command has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the command as a crash would."""
        with _one_at_a_time:
            self._process.kill()


def run(
    words: Words, environment: Mapping[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Raises TimeoutExpired, and kills the command before."""
    if _read_at_the_start(environment) != _read_at_the_start(os.environ):
        return subprocess.run(
            [sys.executable, "-m", "streams", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    with tempfile.TemporaryDirectory(prefix="funnelproof-run-") as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        program = Program(words, environment, out, err)
        try:
            status = program.wait(timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
        return subprocess.CompletedProcess(
            list(words), status, out.read_text("utf-8"), err.read_text("utf-8")
        )


def untraced() -> dict[str, str]:
    """Return the environment of a new process that coverage does not trace."""
    return {name: value for name, value in os.environ.items() if name != TRACED}


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return all that a command said, without the lines that tell every ten seconds what a slow command does."""
    lines = done.stderr.splitlines(keepends=True)
    return done.stdout + "".join(line for line in lines if not line.rstrip("\n").endswith(" s)"))


def _read_at_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Python reads when it starts, and never again."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


@contextmanager
def _untraced() -> Iterator[None]:
    """Have the process that others are forked from untraced: each of the others is traced or not."""
    traced = os.environ.pop(TRACED, None)
    try:
        yield
    finally:
        if traced is not None:
            os.environ[TRACED] = traced


@atexit.register
def _kill_all() -> None:
    """Leave no command behind, and let multiprocessing wait for none."""
    for program in _begun:
        program.kill()


def _run(be: Callable[[Words], None], words: Words, environment: dict[str, str], out: str, err: str) -> None:
    """Be the program: what the forked process does."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, file in ((1, out), (2, err)):
        opened = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    if TRACED in environment:
        import coverage  # noqa: PLC0415 - only where a run measures the coverage

        coverage.process_startup()
    try:
        be(words)
    finally:
        atexit._run_exitfuncs()  # multiprocessing would leave them out
