"""Kafka logs as bytes, as a broker would send them."""

import struct
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

CONTROL = 0x20
CRC_AT, CHECKED_FROM = 17, 21


@dataclass
class Log:
    """One partition's record batches, appended one after another."""

    tp: TopicPartition = field(default_factory=lambda: TopicPartition("deals", 0))
    end: int = 0
    batches: list[tuple[int, bytearray]] = field(default_factory=list)  # next offset, bytes
    aborted: list[tuple[int, int]] = field(default_factory=list)

    def append(
        self, count: int, *, producer: int = -1, transactional: bool = False, compacted: int = 0
    ) -> None:
        """Append one batch of `count` records whose values are their offsets, then offsets without records."""
        values = [str(self.end + i).encode() for i in range(count)]
        self._append(values, producer=producer, transactional=transactional, compacted=compacted)

    def end_transaction(self, producer: int, *, commit: bool) -> None:
        """Append a transaction's marker."""
        self._append(
            [b""], producer=producer, transactional=True, key=struct.pack(">hh", 0, int(commit)), control=True
        )

    def corrupt(self) -> None:
        """Change the last byte of the last batch, as a broken disk would."""
        self.batches[-1][1][-1] ^= 1

    def fetched(self, position: int) -> FetchResult:
        """Return what aiokafka holds after fetching the log at `position`."""
        assignment = Assignment([self.tp])
        assignment.state_value(self.tp).seek(position)
        return FetchResult(
            self.tp,
            assignment=assignment,
            partition_records=self.partition_records(position),
            backoff=0,
        )

    def partition_records(self, position: int) -> PartitionRecords:
        """Return aiokafka's own reader of what a broker sends for the position: whole batches."""
        records = MemoryRecords(b"".join(batch for end, batch in self.batches if end > position))
        check_crcs = True
        return PartitionRecords(
            self.tp, records, list(self.aborted), position, None, None, check_crcs, READ_COMMITTED
        )

    def _append(
        self,
        values: list[bytes],
        *,
        producer: int,
        transactional: bool,
        compacted: int = 0,
        key: bytes = b"k",
        control: bool = False,
    ) -> None:
        builder = DefaultRecordBatchBuilder(2, 0, int(transactional), producer, 0, 0, 1 << 20)
        for i, value in enumerate(values):
            builder.append(i, 1_700_000_000_000 + i, key, value, [("kind", b"test")])
        batch = bytearray(builder.build())
        struct.pack_into(">q", batch, 0, self.end)
        attributes, last_delta = struct.unpack_from(">hi", batch, CHECKED_FROM)
        struct.pack_into(
            ">hi", batch, CHECKED_FROM, attributes | (CONTROL if control else 0), last_delta + compacted
        )
        struct.pack_into(">I", batch, CRC_AT, calc_crc32c(bytes(batch[CHECKED_FROM:])))
        self.end += len(values) + compacted
        self.batches.append((self.end, batch))
