"""Running workers as processes, and filling topics."""

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest
from confluent_kafka import Producer

from tests.programs import TRACED

WORKER = Path(__file__).with_name("worker.py")


class Process(Protocol):
    """A running worker, as `subprocess` has it."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int) -> None: ...

    def kill(self) -> None: ...


class Forked:
    """worker.py in a process forked from the one that `tests.programs` forks from: it takes milliseconds to start."""

    def __init__(self, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:  # the process that others are forked from is not traced
            patch.delenv(TRACED, raising=False)
            forkserver.ensure_running()
        process = get_context("forkserver").Process(target=_be_worker, args=(dict(environment), folder, log))
        process.start()
        assert process.pid is not None
        self._process, self.pid = process, process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired("worker", timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def _be_worker(environment: dict[str, str], folder: Path, log: Path) -> None:
    """Be `python worker.py`: what the forked process does."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    opened = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in (1, 2):
        os.dup2(opened, number)
    os.close(opened)
    if TRACED in environment:
        import coverage  # noqa: PLC0415 - only where a run measures the coverage

        coverage.process_startup()
    sys.argv = [str(WORKER)]
    try:
        runpy.run_path(str(WORKER), run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing would leave them out


class Worker:
    """One worker process; `notes` is what it wrote so far."""

    def __init__(self, folder: Path, spec: dict[str, Any], *, by_faust_cli: bool = False) -> None:
        self._notes = folder / "notes.jsonl"
        self._log = folder / "log"
        self._notes.touch()
        self._log.touch()
        spec = {**spec, "notes": str(self._notes), "datadir": str(folder / "data")}
        environment = {**os.environ, "ENGINE_TEST": json.dumps(spec)}
        self._process: Process = (
            _by_faust_cli(environment, folder, self._log)
            if by_faust_cli
            else Forked(environment, folder, self._log)
        )

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def notes(self, event: str | None = None) -> list[dict[str, Any]]:
        whole, _, _ = self._notes.read_text("utf-8").rpartition("\n")  # the last line may be half written
        notes = [json.loads(line) for line in whole.splitlines()]
        return [note for note in notes if event in (None, note["event"])]

    def wait_for(self, what: Callable[["Worker"], object], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not what(self):
            assert self._process.poll() is None, f"the worker ended:\n{self.log}"
            assert time.monotonic() < deadline, (
                f"waited {seconds} s in vain:\n{self.log}\n{self.notes()[-5:]}"
            )
            time.sleep(0.05)

    def wait_assigned(self, partitions: int) -> None:
        self.wait_for(
            lambda w: any(len(note["positions"]) == partitions for note in w.notes("assigned")[-1:])
        )

    def chunks(self, partition: int, *, current: bool = True) -> list[dict[str, Any]]:
        return [
            part
            for batch in self.notes("batch")
            if batch["current"] is current
            for part in batch["parts"]
            if part["partition"] == partition
        ]

    def values(self, partition: int) -> list[str]:
        return [value for chunk in self.chunks(partition) for value in chunk["values"]]

    def position(self, partition: int) -> int:
        chunks = self.chunks(partition)
        return chunks[-1]["next"] if chunks else -1

    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def terminate(self, seconds: float = 15) -> int:
        self.signal(signal.SIGTERM)
        return self.exit_status(seconds)

    def exit_status(self, seconds: float = 30) -> int:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker runs on:\n{self.log}") from None

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _by_faust_cli(environment: dict[str, str], folder: Path, log: Path) -> Process:
    """Start a worker as a shell does."""
    path = os.pathsep.join([str(WORKER.parent), environment.get("PYTHONPATH", "")])
    words = ("-m", "faust", "-A", "worker", "worker", "--loglevel", "info", "--without-web")
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment | {"PYTHONPATH": path},
            cwd=folder,
        )


def fill(kafka: str, topic: str, values: dict[int, list[str]], **producer: str) -> None:
    """Produce the values, by partition."""
    send(Producer({"bootstrap.servers": kafka, "linger.ms": 5, **producer}), topic, values)


def send(sender: Producer, topic: str, values: dict[int, list[str]]) -> None:
    """Produce the values, by partition, with a producer that there is."""
    for partition, texts in values.items():
        for text in texts:
            sender.produce(topic, text, partition=partition, headers=[("kind", b"test")])
            sender.poll(0)
    assert sender.flush(20) == 0
