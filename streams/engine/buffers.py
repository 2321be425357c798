"""Reading whole record batches out of aiokafka's fetch buffers."""
# ruff: noqa: SLF001 - aiokafka has no public way to its buffers; private.py lists what is used here

from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from streams.engine.batch import PartitionRecords, Record
from streams.engine.errors import CorruptRecordsError, EngineError, PositionError


@dataclass(frozen=True, slots=True)
class BufferRead:
    """The records that one partition's buffer gave; `start` is the position of the first read."""

    start: int
    part: PartitionRecords


def read_buffers(fetcher: Fetcher, limit: int) -> list[BufferRead]:
    """Read buffered records of the assigned partitions, until `limit` is reached or the buffers are empty.

    Whole batches of the producer are read, so the last batch may go beyond `limit`. A partition that is left
    half read goes to the end of the line, so every partition gets a turn.
    Raises EngineError for a fetch that the broker refused and for corrupt records.
    """
    reads: list[BufferRead] = []
    buffers = fetcher._records
    for tp in list(buffers):
        buffer = buffers[tp]
        if not isinstance(buffer, FetchResult):
            if _awaits_position(buffer):
                del buffers[tp]
                continue
            if reads:
                break  # the records read before the failure are delivered first
            _raise(tp, buffer)
        found = _drain(buffer, limit)
        if buffer.has_more():
            buffers.move_to_end(tp)
        else:
            del buffers[tp]
            fetcher._notify(fetcher._wait_consume_future)  # the next fetch may go out
        if found is not None:
            reads.append(found)
            limit -= len(found.part.records)
            if limit <= 0:
                break
    return reads


def _drain(buffer: FetchResult, limit: int) -> BufferRead | None:
    tp = buffer._topic_partition
    if not buffer.check_assignment(tp):
        return None  # fetched for an earlier position or assignment
    source = buffer._partition_records
    start = position = source.next_fetch_offset
    records: list[Record] = []
    try:
        while source._records.has_next() and len(records) < limit:
            batch = source._records.next_batch()
            if batch.producer_id is None:
                raise CorruptRecordsError(
                    f"{tp.topic}[{tp.partition}] at offset {position}: the records' format is older than "
                    "Kafka 0.11; copy the topic with a current producer"
                )
            if not batch.validate_crc():
                raise CorruptRecordsError(
                    f"{tp.topic}[{tp.partition}] at offset {batch.base_offset}: the checksum does not match; "
                    "restore the partition from another replica"
                )
            if not _is_hidden(source, batch):
                records.extend(
                    batch if batch.base_offset >= position else (r for r in batch if r.offset >= position)
                )
            position = max(position, batch.next_offset)
    except KafkaError as error:
        raise CorruptRecordsError(
            f"{tp.topic}[{tp.partition}] at offset {position}: {error}; "
            "restore the partition from another replica"
        ) from error
    source.next_fetch_offset = position
    buffer._update_position()
    if not source._records.has_next():
        # The iterator and the source refer to each other: a megabyte would wait for the cycle collector.
        source._records_iterator = None
        buffer._partition_records = None
    return BufferRead(start, PartitionRecords(tp.partition, records, position)) if position > start else None


def _awaits_position(failed: FetchError) -> bool:
    """Return true if aiokafka found no committed offset before the owner's position was set.

    In a rebalance aiokafka looks for a committed offset as soon as partitions are assigned. The owner's position
    follows in every case (ReadingThread.begin), and the fetch begins there.
    """
    try:
        failed.check_raise()
    except KafkaError as error:
        return isinstance(error, NoOffsetForPartitionError)
    return False


def _raise(tp: TopicPartition, failed: FetchError) -> None:
    try:
        failed.check_raise()
    except OffsetOutOfRangeError as error:
        raise PositionError(
            f"{tp.topic}[{tp.partition}]: the next offset is not in the log any more: the topic was recreated or "
            "its records were deleted before they were read; rebuild the state from the topic's beginning"
        ) from error
    except KafkaError as error:
        raise EngineError(f"{tp.topic}[{tp.partition}] cannot be read: {error!r}") from error


def _is_hidden(source: Any, batch: Any) -> bool:  # noqa: ANN401 - aiokafka is not typed
    """Return true for a transaction marker and for a batch of an aborted transaction."""
    source._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch:
        if source._contains_abort_marker(batch):
            source._aborted_producers.discard(batch.producer_id)
        return True
    return batch.is_transactional and batch.producer_id in source._aborted_producers
