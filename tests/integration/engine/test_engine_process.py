"""How a worker process ends."""

import signal
import time
from collections.abc import Callable

from confluent_kafka import Consumer, TopicPartition

from tests.integration.engine.conftest import PARTITIONS
from tests.integration.engine.support import Worker, fill

Start = Callable[..., Worker]


def committed(kafka: str, topic: str, group: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    try:
        offsets = consumer.committed([TopicPartition(topic, p) for p in range(PARTITIONS)], 20)
        return [partition.offset for partition in offsets]
    finally:
        consumer.close()


NOTHING = [-1001] * PARTITIONS


def test_a_signal_lets_the_owner_finish_and_ends_with_status_0(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {0: ["a", "b"]})
    workers = []
    for number, by_faust_cli in [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, False)]:
        group = f"{topic}-{number.name}-{by_faust_cli}"
        workers.append((start(by_faust_cli=by_faust_cli, group=group), number, group))
    for worker, _, _ in workers:
        worker.wait_for(lambda w: w.position(0) == 2)
    began = time.monotonic()
    for worker, number, _ in workers:
        worker.signal(number)
    for worker, _, group in workers:
        assert worker.exit_status() == 0, worker.log
        assert time.monotonic() - began < 10
        assert [note["positions"]["0"] for note in worker.notes("revoked")] == [2]
        assert committed(kafka, topic, group) == [2, 0, 0, 0]  # what on_revoked committed


def test_an_exception_in_the_agent_stops_the_worker_before_anything_later(
    kafka: str, topic: str, start: Start
) -> None:
    fill(kafka, topic, {p: [str(i) for i in range(100)] for p in range(PARTITIONS)})
    groups = {by_cli: f"{topic}-{by_cli}" for by_cli in (False, True)}
    workers = [
        start(max_batch_records=10, fail_after=50, by_faust_cli=by_cli, group=group)
        for by_cli, group in groups.items()
    ]
    for worker, group in zip(workers, groups.values(), strict=True):
        assert worker.exit_status() == 1
        assert sum(batch["size"] for batch in worker.notes("batch")) == 50
        assert "the agent fails on purpose" in worker.log
        assert worker.notes("revoked") == []
        assert committed(kafka, topic, group) == NOTHING


def test_other_failures_stop_the_worker_with_their_reason(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {0: ["a"]})
    failures: list[tuple[dict[str, object], str]] = [
        ({"assign_fails": True}, "cannot be assigned"),
        ({"start": {"0": 2}}, f"{topic}[0] has the offsets 0 to 1, not 2"),
        ({"session_timeout": 0.5}, "InvalidSessionTimeoutError"),  # the group refuses the member
        ({"die_after": 0.5}, "the application gives up"),
    ]
    workers = [start(group=f"{topic}-{n}", **spec) for n, (spec, _) in enumerate(failures)]
    for worker, (_, reason) in zip(workers, failures, strict=True):
        assert worker.exit_status() == 1
        assert reason in worker.log
    assert [bool(worker.notes("batch")) for worker in workers[:3]] == [False] * 3


def test_a_revocation_that_fails_or_takes_too_long_is_given_up(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {0: ["a"]})
    failing = start(revoke_fails=True, group=f"{topic}-failing")
    slow = start(revoke_seconds=60, revoke_timeout=1, group=f"{topic}-slow")
    for worker in (failing, slow):
        worker.wait_for(lambda w: w.position(0) == 1)
    began = time.monotonic()
    slow.signal(signal.SIGTERM)
    assert failing.terminate() == 1  # not a clean exit
    assert "cannot be revoked" in failing.log
    assert slow.exit_status() == 0
    assert time.monotonic() - began < 6
    assert "on_revoked took longer than 1 s" in slow.log


def test_a_worker_that_cannot_stop_is_ended_with_the_right_status(
    kafka: str, topic: str, start: Start
) -> None:
    fill(kafka, topic, {0: ["a"]})
    asked = start(hangs=True, batch_seconds=60, group=f"{topic}-asked")
    failing = start(hangs=True, fail_after=1, group=f"{topic}-failing")
    asked.wait_for(lambda w: bool(w.notes("batch")))
    asked.signal(signal.SIGTERM)
    assert asked.exit_status(10) == 0
    assert failing.exit_status(10) == 1
    assert failing.notes("batch")
    assert "the agent fails on purpose" in failing.notes("end")[-1]["reason"]


def test_a_worker_that_is_not_assigned_yet_stops_at_once(start: Start) -> None:
    worker = start(assign_seconds=60)
    worker.wait_for(lambda w: bool(w.notes("assigning")))
    assert worker.terminate(8) == 0
    assert worker.notes("revoked") == []


def test_positions_are_committed_for_lag_monitors_only_when_told(
    kafka: str, topic: str, start: Start
) -> None:
    fill(kafka, topic, {0: ["a"], 1: ["b", "c"]})
    silent = start(revoke_timeout=0.01, group=f"{topic}-silent")
    talking = start(commit=True, group=f"{topic}-talking")
    talking.wait_for(lambda _: committed(kafka, topic, f"{topic}-talking")[:2] == [1, 2])
    silent.wait_for(lambda w: w.position(0) == 1 and w.position(1) == 2)
    time.sleep(1)  # longer than Faust's commit interval
    assert committed(kafka, topic, f"{topic}-silent") == NOTHING
