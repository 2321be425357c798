"""Two workers that share a group, on real Kafka."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.integration.engine.conftest import PARTITIONS
from tests.integration.engine.support import Worker, fill, send

Start = Callable[..., Worker]
ALL = list(range(PARTITIONS))


@contextmanager
def steady_load(kafka: str, topic: str) -> Iterator[None]:
    """Produce to every partition, all the time."""
    stop, sender = threading.Event(), Producer({"bootstrap.servers": kafka, "linger.ms": 5})

    def produce() -> None:
        while not stop.is_set():
            send(sender, topic, {p: ["x"] * 10 for p in ALL})
            stop.wait(0.05)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def held(worker: Worker) -> list[int]:
    return [int(p) for p in worker.notes("assigned")[-1]["positions"]] if worker.notes("assigned") else []


def assert_records_come_only_between_assignment_and_revocation(worker: Worker) -> int:
    """Return how many current batches there were."""
    expected: dict[int, int] = {}
    count = 0
    for note in worker.notes():
        if note["event"] in ("assigning", "revoked"):
            expected = {}
        elif note["event"] == "assigned":
            expected = {int(p): at for p, at in note["positions"].items()}
        elif note["event"] == "batch" and note["current"]:
            count += 1
            for part in note["parts"]:
                assert part["offsets"] == list(range(expected[part["partition"]], part["next"]))
                expected[part["partition"]] = part["next"]
    return count


def test_partitions_move_to_a_second_worker_and_back(kafka: str, topic: str, start: Start) -> None:
    with steady_load(kafka, topic):
        first = start(max_batch_records=20)
        first.wait_assigned(PARTITIONS)
        first.wait_for(lambda w: min(w.position(p) for p in ALL) > 0)
        second = start(max_batch_records=20)
        first.wait_for(lambda w: len(held(w)) == 2)
        second.wait_for(lambda w: len(held(w)) == 2)
        assert sorted(held(first) + held(second)) == ALL
        second.wait_for(lambda w: min(w.position(p) for p in held(w)) > 0)
        assert second.terminate() == 0
        first.wait_assigned(PARTITIONS)
        last = {p: first.position(p) for p in ALL}
        first.wait_for(lambda w: all(w.position(p) > last[p] for p in ALL))
        assert first.terminate() == 0

    for worker in (first, second):
        assert assert_records_come_only_between_assignment_and_revocation(worker) > 1
    assert [note["partitions"] for note in first.notes("revoked")] == [ALL, held_by_first(first), ALL]
    assert [note["event"] for note in first.notes() if note["event"] != "batch"] == [
        *["assigning", "assigned", "revoked"] * 3
    ]
    # What the first worker kept it continued; what it lost and got back, from where it had left it.
    before, after = first.notes("revoked")[0]["positions"], first.notes("assigned")[1]["positions"]
    assert after == {p: before[p] for p in after}


def held_by_first(worker: Worker) -> list[int]:
    return sorted(int(p) for p in worker.notes("assigned")[1]["positions"])


@pytest.mark.thorough
def test_a_worker_beyond_the_number_of_partitions_holds_none(kafka: str, topic: str, start: Start) -> None:
    workers = [start() for _ in range(PARTITIONS + 1)]
    for worker in workers:
        worker.wait_for(lambda w: bool(w.notes("assigned")))
    workers[0].wait_for(lambda _: sorted(p for w in workers for p in held(w)) == ALL)
    idle = next(w for w in workers if not held(w))
    assert idle.terminate() == 0
    assert idle.notes("revoked") == [] or idle.notes("revoked")[-1]["partitions"] != []
    fill(kafka, topic, {p: ["x"] for p in ALL})
    busy = [w for w in workers if w is not idle]
    busy[0].wait_for(lambda _: sum(len(w.values(p)) for w in busy for p in ALL) >= PARTITIONS)


@pytest.mark.thorough
def test_a_rebalance_cancels_a_preparation_and_asks_again(
    kafka: str, topic: str, start: Start, tmp_path: Path
) -> None:
    fill(kafka, topic, {p: ["x"] for p in ALL})
    prepared = tmp_path / "prepared"
    first = start(assign_after=str(prepared), session_timeout=6)
    first.wait_for(lambda w: bool(w.notes("assigning")))
    second = start()
    first.wait_for(lambda w: bool(w.notes("assigning cancelled")))
    prepared.touch()
    first.wait_for(lambda w: bool(w.notes("assigned")))
    first.wait_for(lambda w: all(w.position(p) == 1 for p in held(w)))
    assert first.notes("revoked") == []  # the cancelled preparation is not revoked
    assert len(held(first)) == 2
    assert second.terminate() == 0


def test_a_preparation_longer_than_the_session_keeps_the_membership(
    kafka: str, topic: str, start: Start
) -> None:
    fill(kafka, topic, {0: ["x"]})
    worker = start(assign_seconds=3.5, session_timeout=2)
    worker.wait_for(lambda w: w.position(0) == 1)
    assert [note["event"] for note in worker.notes() if note["event"] != "batch"] == ["assigning", "assigned"]


@pytest.mark.thorough
def test_a_worker_that_was_stopped_beyond_its_session_returns_in_order(
    kafka: str, topic: str, start: Start
) -> None:
    with steady_load(kafka, topic):
        first = start(max_batch_records=20, session_timeout=2)
        first.wait_for(lambda w: min(w.position(p) for p in ALL) > 0)
        second = start(session_timeout=2)
        first.wait_for(lambda w: len(held(w)) == 2)
        first.signal(signal.SIGSTOP)
        second.wait_assigned(PARTITIONS)
        first.signal(signal.SIGCONT)
        second.wait_for(lambda w: len(held(w)) == 2)
        first.wait_for(lambda w: len(w.notes("assigned")) >= 3)
        again = first.notes("assigned")[-1]["positions"]
        first.wait_for(lambda w: all(w.position(int(p)) > at + 200 for p, at in again.items()))
        assert first.terminate() == 0
    assert_records_come_only_between_assignment_and_revocation(first)
    assert_records_come_only_between_assignment_and_revocation(second)
