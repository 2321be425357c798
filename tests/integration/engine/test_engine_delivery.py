"""What arrives at an agent, from real Kafka."""

import signal
import statistics
import time
from collections.abc import Callable

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.integration.engine.conftest import PARTITIONS
from tests.integration.engine.support import Worker, fill

Start = Callable[..., Worker]


def numbers(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def test_every_partition_is_delivered_once_and_in_order_also_to_a_slow_agent(
    kafka: str, topic: str, start: Start
) -> None:
    for partition, codec in enumerate(["gzip", "snappy", "lz4", "zstd"]):
        fill(kafka, topic, {partition: numbers(1000)}, **{"compression.type": codec})
    fill(kafka, topic, {p: ["uncompressed"] for p in range(PARTITIONS)})
    quick = start(max_batch_records=300)
    slow = start(max_batch_records=100, batch_seconds=0.02, group=f"{topic}-slow")
    for worker in (quick, slow):
        worker.wait_for(lambda w: all(w.position(p) == 1001 for p in range(PARTITIONS)))
        for partition in range(PARTITIONS):
            assert worker.values(partition) == [*numbers(1000), "uncompressed"]
    assert max(batch["size"] for batch in quick.notes("batch")) <= 300
    assert quick.chunks(0)[0]["headers"][0] == ["kind"]


def test_reading_goes_on_while_the_agent_computes(kafka: str, topic: str, start: Start) -> None:
    for _ in range(20):
        fill(kafka, topic, {0: numbers(100)})
    worker = start(max_batch_records=100, busy_seconds=0.1)
    worker.wait_for(lambda w: w.position(0) == 2000 and w.notes()[-1]["event"] == "done")
    taken = worker.notes("taken")
    assert "MainThread" not in {note["thread"] for note in taken}
    computing = zip(worker.notes("batch"), worker.notes("done"), strict=True)
    meanwhile = [any(begin["at"] < note["at"] < end["at"] for note in taken) for begin, end in computing]
    assert (
        sum(meanwhile) >= 3
    )  # of 20, half on a machine with nothing else to do; none where reading waits for the agent


def test_a_slow_agent_is_waited_for_in_bounded_memory(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {p: ["x" * 10_000] * 1000 for p in range(PARTITIONS)})  # 40 MB
    worker = start(max_batch_records=50, batch_seconds=60)
    worker.wait_for(lambda w: bool(w.notes("batch")))
    before = worker.memory()
    time.sleep(3)
    assert len(worker.notes("batch")) == 1
    assert worker.memory() - before < 20e6  # a megabyte a partition at aiokafka, and five batches


def test_reading_starts_where_the_owner_says_also_in_the_middle_of_a_compressed_batch(
    kafka: str, topic: str, start: Start
) -> None:
    fill(kafka, topic, {0: numbers(100), 1: numbers(100)})
    fill(kafka, topic, {2: numbers(500)}, **{"compression.type": "lz4", "linger.ms": "500"})
    worker = start(start={"0": 60, "1": 100, "2": 123})
    worker.wait_for(lambda w: (w.position(0), w.position(2)) == (100, 500))
    fill(kafka, topic, {1: ["later"]})
    worker.wait_for(lambda w: w.position(1) == 101)
    assert worker.values(0) == numbers(100)[60:]
    assert worker.values(1) == ["later"]
    assert worker.values(2) == numbers(500)[123:]


def test_records_deleted_before_they_were_read_stop_the_worker(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {0: ["before"]})
    worker = start()
    worker.wait_for(lambda w: w.position(0) == 1)
    worker.signal(signal.SIGSTOP)
    fill(kafka, topic, {0: ["answers the fetch that waits at the broker"]})
    fill(kafka, topic, {0: numbers(1000)})
    admin = AdminClient({"bootstrap.servers": kafka})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 1000)]).values():
        deleted.result(20)
    worker.signal(signal.SIGCONT)
    assert worker.exit_status() == 1
    assert f"{topic}[0]: the next offset is not in the log any more" in worker.log


def test_offset_0_is_no_jump_to_where_the_log_begins(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {0: numbers(10)})
    admin = AdminClient({"bootstrap.servers": kafka})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 4)]).values():
        deleted.result(20)
    worker = start(start={"0": 0})
    assert worker.exit_status() == 1
    assert f"{topic}[0] has the offsets 4 to 10, not 0" in worker.log
    assert worker.notes("batch") == []
    worker = start(start={"0": 4})
    worker.wait_for(lambda w: w.position(0) == 10)
    assert worker.values(0) == numbers(10)[4:]


def test_aborted_records_are_unseen_and_positions_pass_over_them(
    kafka: str, topic: str, start: Start
) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic, "linger.ms": 0})
    producer.init_transactions(20)
    for round_, commit in enumerate([True, False, True, False]):
        producer.begin_transaction()
        for i in range(3):
            producer.produce(topic, f"{round_}.{i}", partition=0)
        producer.flush(20)
        if commit:
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)
    worker = start()
    end = 4 * (3 + 1)  # each transaction ends with a marker, which takes an offset
    worker.wait_for(lambda w: w.position(0) == end)
    assert worker.values(0) == ["0.0", "0.1", "0.2", "2.0", "2.1", "2.2"]

    producer.begin_transaction()
    producer.produce(topic, "open", partition=0)
    producer.flush(20)
    time.sleep(0.5)
    assert worker.position(0) == end  # an open transaction is not read
    producer.abort_transaction(20)
    worker.wait_for(lambda w: w.position(0) == end + 2)
    last = worker.chunks(0)[-1]
    assert last["values"] == []  # an empty chunk, so that the position passed the agent in order


def test_an_idle_worker_delivers_at_once(kafka: str, topic: str, start: Start) -> None:
    fill(kafka, topic, {0: ["first"]})
    worker = start()
    worker.wait_for(lambda w: w.position(0) == 1)
    for i in range(20):
        fill(kafka, topic, {i % PARTITIONS: [f"{i}"]}, **{"linger.ms": "0"})
        time.sleep(0.05)
    worker.wait_for(lambda w: sum(len(w.values(p)) for p in range(PARTITIONS)) == 21)
    delays = [
        note["at"] * 1000 - part["timestamp"] for note in worker.notes("batch")[1:] for part in note["parts"]
    ]
    assert statistics.median(delays) < 100  # milliseconds; about 10 on an idle machine
