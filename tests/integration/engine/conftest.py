import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.integration.engine.support import Worker

PARTITIONS = 4


@pytest.fixture
def topic(kafka: str) -> Iterator[str]:
    admin = AdminClient({"bootstrap.servers": kafka})
    name = f"engine-test-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(20)
    yield name
    admin.delete_topics([name])[name].result(20)


@pytest.fixture
def start(kafka: str, topic: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start a worker; the arguments are what worker.py reads from its specification."""
    workers: list[Worker] = []

    def start_worker(*, by_faust_cli: bool = False, **spec: Any) -> Worker:  # noqa: ANN401 - JSON
        folder = tmp_path / f"worker{len(workers)}"
        folder.mkdir()
        whole = {"kafka": kafka, "topic": topic, "group": topic, **spec}
        workers.append(Worker(folder, whole, by_faust_cli=by_faust_cli))
        return workers[-1]

    yield start_worker
    for worker in workers:
        worker.kill()
