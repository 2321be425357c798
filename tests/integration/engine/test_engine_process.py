"""How a worker process ends."""

import signal
import time
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.integration.engine.conftest import PARTITIONS
from tests.integration.engine.support import Worker, fill

Start = Callable[..., Worker]


def committed(kafka: str, topic: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic})
    try:
        offsets = consumer.committed([TopicPartition(topic, p) for p in range(PARTITIONS)], 20)
        return [partition.offset for partition in offsets]
    finally:
        consumer.close()


NOTHING = [-1001] * PARTITIONS


@pytest.mark.parametrize(
    ("number", "by_faust_cli"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, False)]
)
def test_a_signal_lets_the_owner_finish_and_ends_with_status_0(
    kafka: str, topic: str, start: Start, number: int, by_faust_cli: bool
) -> None:
    fill(kafka, topic, {0: ["a", "b"]})
    worker = start(by_faust_cli=by_faust_cli)
    worker.wait_for(lambda w: w.position(0) == 2)
    worker.signal(number)
    began = time.monotonic()
    assert worker.exit_status() == 0, worker.log
    assert time.monotonic() - began < 5
    assert [note["positions"]["0"] for note in worker.notes("revoked")] == [2]
    assert committed(kafka, topic) == [2, 0, 0, 0]  # what on_revoked committed


@pytest.mark.parametrize("by_faust_cli", [False, True])
def test_an_exception_in_the_agent_stops_the_worker_before_anything_later(
    kafka: str, topic: str, start: Start, by_faust_cli: bool
) -> None:
    fill(kafka, topic, {p: [str(i) for i in range(100)] for p in range(PARTITIONS)})
    worker = start(max_batch_records=10, fail_after=50, by_faust_cli=by_faust_cli)
    assert worker.exit_status() == 1
    assert sum(batch["size"] for batch in worker.notes("batch")) == 50
    assert "the agent fails on purpose" in worker.log
    assert worker.notes("revoked") == []
    assert committed(kafka, topic) == NOTHING


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"assign_fails": True}, "cannot be assigned"),
        ({"die_after": 0.5}, "the application gives up"),
        ({"session_timeout": 1}, "InvalidSessionTimeoutError"),  # the group refuses the member
    ],
)
def test_other_failures_stop_the_worker_with_their_reason(
    start: Start, spec: dict[str, object], reason: str
) -> None:
    worker = start(**spec)
    assert worker.exit_status() == 1
    assert reason in worker.log


def test_a_failing_revocation_is_not_a_clean_exit(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {0: ["a"]})
    worker = start(revoke_fails=True)
    worker.wait_for(lambda w: w.position(0) == 1)
    assert worker.terminate() == 1
    assert "cannot be revoked" in worker.log


def test_a_revocation_that_takes_too_long_is_given_up(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {0: ["a"]})
    worker = start(revoke_seconds=60, revoke_timeout=1)
    worker.wait_for(lambda w: w.position(0) == 1)
    began = time.monotonic()
    assert worker.terminate() == 0
    assert time.monotonic() - began < 6
    assert "on_revoked took longer than 1 s" in worker.log


@pytest.mark.parametrize(("spec", "status"), [({"batch_seconds": 60}, 0), ({"fail_after": 1}, 1)])
def test_a_worker_that_cannot_stop_is_ended_with_the_right_status(
    kafka: str, topic: str, start: Start, spec: dict[str, object], status: int
) -> None:
    fill(kafka, topic, {0: ["a"]})
    worker = start(hangs=True, **spec)
    worker.wait_for(lambda w: bool(w.notes("batch")))
    if status == 0:
        worker.signal(signal.SIGTERM)
    assert worker.exit_status(10) == status


def test_a_worker_that_is_not_assigned_yet_stops_at_once(start: Start) -> None:
    worker = start(assign_seconds=60)
    worker.wait_for(lambda w: bool(w.notes("assigning")))
    assert worker.terminate(8) == 0
    assert worker.notes("revoked") == []


def test_positions_are_committed_for_lag_monitors_only_when_told(
    kafka: str, topic: str, start: Start
) -> None:
    fill(kafka, topic, {0: ["a"], 1: ["b", "c"]})
    silent = start(revoke_timeout=0.01)
    silent.wait_for(lambda w: w.position(0) == 1 and w.position(1) == 2)
    time.sleep(3)  # longer than Faust's commit interval
    assert committed(kafka, topic) == NOTHING
    silent.kill()
    talking = start(commit=True, session_timeout=6)
    talking.wait_for(lambda _: committed(kafka, topic)[:2] == [1, 2])
