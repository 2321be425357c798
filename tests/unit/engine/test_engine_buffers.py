import re
from collections import OrderedDict

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError, TopicAuthorizationFailedError
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.buffers import read_buffers
from streams.engine.errors import CorruptRecordsError, EngineError, PositionError
from tests.unit.engine.record_logs import Log


class Buffers:
    """The part of aiokafka's fetcher that is read here."""

    def __init__(self, *results: FetchResult) -> None:
        self._records = OrderedDict((result._topic_partition, result) for result in results)
        self._wait_consume_future = None
        self.asked_for_more = 0

    def _notify(self, _: object) -> None:
        self.asked_for_more += 1


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """A log with plain batches, gaps, and transactions of three producers, some aborted."""
    log = Log()
    log.append(1)
    began: dict[int, int] = {}
    for _ in range(draw(st.integers(0, 12))):
        producer, step = draw(st.integers(1, 3)), draw(st.sampled_from(["plain", "write", "commit", "abort"]))
        if step == "plain":
            log.append(draw(st.integers(1, 4)), compacted=draw(st.integers(0, 2)))
        elif step == "write":
            began.setdefault(producer, log.end)
            log.append(draw(st.integers(1, 4)), producer=producer, transactional=True)
        elif producer in began:
            first = began.pop(producer)
            if step == "abort":
                log.aborted.append((producer, first))
            log.end_transaction(producer, commit=step == "commit")
    return log


@given(logs(), st.integers(1, 5), st.data())
async def test_taking_gives_what_aiokafka_itself_would_give(
    log: Log, limit: int, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, log.end - 1))
    reader = log.partition_records(position)
    expected = [(record.offset, record.key, record.value, record.timestamp) for record in reader]

    buffers = Buffers(log.fetched(position))
    taken = []
    for _ in range(100):
        if not buffers._records:
            break
        taken += read_buffers(buffers, limit)
    records = [record for one in taken for record in one.part.records]
    assert [(record.offset, record.key, record.value, record.timestamp) for record in records] == expected
    positions = [position, *(one.part.next_offset for one in taken)]
    assert [one.start for one in taken] == positions[:-1]
    assert positions[-1] == log.end
    assert buffers.asked_for_more == 1


async def test_a_tail_without_records_is_given_as_a_position() -> None:
    log = Log()
    log.append(2, producer=7, transactional=True)
    log.aborted.append((7, 0))
    log.end_transaction(7, commit=False)
    (taken,) = read_buffers(Buffers(log.fetched(0)), 100)
    assert (taken.start, list(taken.part.records), taken.part.next_offset) == (0, [], 3)


async def test_a_half_read_partition_goes_to_the_end_of_the_line() -> None:
    busy, quiet = Log(TopicPartition("deals", 0)), Log(TopicPartition("deals", 1))
    for _ in range(3):
        busy.append(10)
    quiet.append(1)
    buffers = Buffers(busy.fetched(0), quiet.fetched(0))
    served = [one.part.partition for _ in range(4) for one in read_buffers(buffers, 10)]
    assert served == [0, 1, 0, 0]


async def test_a_wrong_checksum_names_topic_partition_and_offset() -> None:
    log = Log()
    log.append(3)
    log.append(3)
    log.corrupt()
    with pytest.raises(
        CorruptRecordsError, match=re.escape("deals[0] at offset 3: the checksum does not match")
    ):
        read_buffers(Buffers(log.fetched(0)), 100)


async def test_records_of_an_earlier_position_are_dropped() -> None:
    log = Log()
    log.append(3)
    result = log.fetched(0)
    result._assignment.state_value(log.tp).seek(2)
    assert read_buffers(Buffers(result), 100) == []


class Refused(Buffers):
    """Buffers whose first partition the broker refused."""

    def __init__(self, error: Exception, *results: FetchResult) -> None:
        super().__init__(*results)
        self._records[TopicPartition("deals", 9)] = FetchError(error=error, backoff=0)


async def test_a_refused_fetch_is_raised_after_what_was_read_before_it() -> None:
    log = Log()
    log.append(3)
    buffers = Refused(TopicAuthorizationFailedError("deals"), log.fetched(0))
    assert [len(one.part.records) for one in read_buffers(buffers, 100)] == [3]
    with pytest.raises(
        EngineError, match=re.escape("deals[9] cannot be read: TopicAuthorizationFailedError")
    ):
        read_buffers(buffers, 100)


async def test_an_offset_that_left_the_log_is_an_error_and_not_a_jump() -> None:
    with pytest.raises(PositionError, match="rebuild the state"):
        read_buffers(Refused(OffsetOutOfRangeError({})), 100)


async def test_a_partition_whose_position_is_not_set_yet_is_passed_over() -> None:
    """In a rebalance aiokafka finds no committed offset before the owner says where reading starts."""
    log = Log()
    log.append(3)
    unset = TopicPartition("deals", 9)
    buffers = Refused(NoOffsetForPartitionError(unset), log.fetched(0))
    buffers._records.move_to_end(unset, last=False)
    assert [len(one.part.records) for one in read_buffers(buffers, 100)] == [3]
    assert read_buffers(buffers, 100) == []
    assert unset not in buffers._records
