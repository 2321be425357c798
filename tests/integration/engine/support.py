"""Running workers as processes, and filling topics."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """One worker process; `notes` is what it wrote so far."""

    def __init__(self, folder: Path, spec: dict[str, Any], *, by_faust_cli: bool = False) -> None:
        self._notes = folder / "notes.jsonl"
        self._log = folder / "log"
        self._notes.touch()
        spec = {**spec, "notes": str(self._notes), "datadir": str(folder / "data")}
        path = os.pathsep.join([str(WORKER.parent), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "ENGINE_TEST": json.dumps(spec), "PYTHONPATH": path}
        faust_cli = [
            sys.executable,
            "-m",
            "faust",
            "-A",
            "worker",
            "worker",
            "--loglevel",
            "info",
            "--without-web",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                faust_cli if by_faust_cli else [sys.executable, str(WORKER)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
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


def fill(kafka: str, topic: str, values: dict[int, list[str]], **producer: str) -> None:
    """Produce the values, by partition."""
    sender = Producer({"bootstrap.servers": kafka, "linger.ms": 5, **producer})
    for partition, texts in values.items():
        for text in texts:
            sender.produce(topic, text, partition=partition, headers=[("kind", b"test")])
            sender.poll(0)
    assert sender.flush(20) == 0
