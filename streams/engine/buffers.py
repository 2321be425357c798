"""Taking whole record batches out of aiokafka's fetch buffers."""
# ruff: noqa: SLF001 - aiokafka has no public way to its buffers; private.py lists what is used here

from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.engine.batch import PartitionRecords, Record
from streams.engine.errors import CorruptRecordsError, EngineError, PositionError


@dataclass(frozen=True, slots=True)
class Taken:
    """What one partition's buffer gave; `start` is the position that was read from."""

    start: int
    part: PartitionRecords


def take(fetcher: Fetcher, limit: int) -> list[Taken]:
    """Take buffered records of the assigned partitions, until at least `limit` were taken or none are left.

    A partition that is left half read goes to the end of the line, so that none is starved.
    Raises EngineError where the broker refused a fetch or records are corrupt.
    """
    taken: list[Taken] = []
    buffers = fetcher._records
    for tp in list(buffers):
        buffer = buffers[tp]
        if not isinstance(buffer, FetchResult):
            if taken:
                break  # what was read before the failure is delivered first
            _raise(tp, buffer)
        found = _drain(buffer, limit)
        if buffer.has_more():
            buffers.move_to_end(tp)
        else:
            del buffers[tp]
            fetcher._notify(fetcher._wait_consume_future)  # the next fetch may go out
        if found is not None:
            taken.append(found)
            limit -= len(found.part.records)
            if limit <= 0:
                break
    return taken


def _drain(buffer: FetchResult, limit: int) -> Taken | None:
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
        source._records_iterator = (
            None  # it holds the source in turn: a megabyte that would wait for the cycle collector
        )
        buffer._partition_records = None
    return Taken(start, PartitionRecords(tp.partition, records, position)) if position > start else None


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
    """Whether a reader of committed records must not see the batch: a marker or part of an aborted transaction."""
    source._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch:
        if source._contains_abort_marker(batch):
            source._aborted_producers.discard(batch.producer_id)
        return True
    return batch.is_transactional and batch.producer_id in source._aborted_producers
