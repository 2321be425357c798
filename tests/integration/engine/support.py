"""Running workers as processes, and filling topics."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from tests.programs import Program

WORKER = Path(__file__).with_name("worker.py")


def _be_worker(words: Sequence[str]) -> None:
    """Be `python worker.py` in the folder that is the only word."""
    (folder,) = words
    os.chdir(folder)
    sys.argv = [str(WORKER)]
    runpy.run_path(str(WORKER), run_name="__main__")


class Worker:
    """One worker process; `notes` is what it wrote so far."""

    def __init__(self, folder: Path, spec: dict[str, Any], *, by_faust_cli: bool = False) -> None:
        self._notes = folder / "notes.jsonl"
        self._log = folder / "log"
        self._notes.touch()
        self._log.touch()
        spec = {**spec, "notes": str(self._notes), "datadir": str(folder / "data")}
        environment = {**os.environ, "ENGINE_TEST": json.dumps(spec)}
        self._process = (
            _by_faust_cli(environment, folder, self._log)
            if by_faust_cli
            else Program([str(folder)], environment, self._log, self._log, _be_worker)
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


def _by_faust_cli(environment: dict[str, str], folder: Path, log: Path) -> "subprocess.Popen[bytes]":
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
