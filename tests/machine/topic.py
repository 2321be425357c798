"""The CDC topic in memory, and workers that read it when they are told to."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from streams.engine import PartitionRecords
from streams.fold.processor import Processor
from tests.fakes.envelopes import FakeRecord

_offset = attrgetter("offset")


@dataclass
class MemoryTopic:
    """The topic, as it is now: every partition's records."""

    name = "data"
    partitions: int
    records: dict[int, list[FakeRecord]] = field(default_factory=dict)
    begins: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = {partition: [] for partition in range(self.partitions)}

    def end(self, partition: int) -> int:
        records = self.records[partition]
        return records[-1].offset + 1 if records else self.begins.get(partition, 0)

    def chunk(self, partition: int, begin: int, until: int | None = None) -> PartitionRecords:
        """Return what is there in `[begin, until)`, up to the end at most."""
        end = self.end(partition)
        stop = end if until is None else min(until, end)
        records = self.records[partition]
        first, last = (bisect_left(records, offset, key=_offset) for offset in (begin, stop))
        return PartitionRecords(partition, records[first:last], max(begin, stop))

    def compact(self, partition: int, point: int) -> None:
        """Keep the newest record of each key before `point`, and all from there on."""
        records = self.records[partition]
        newest = {record.key: record.offset for record in records if record.offset < point}
        self.records[partition] = [
            each for each in records if each.offset >= point or newest[each.key] == each.offset
        ]

    def delete(self, partition: int, until: int) -> None:
        """Delete the records before an offset, as retention and DeleteRecords do."""
        self.begins[partition] = max(self.begins.get(partition, 0), min(until, self.end(partition)))
        self.records[partition] = [each for each in self.records[partition] if each.offset >= until]

    async def starts(self, name: str, partitions: set[int]) -> dict[int, int]:
        assert name == "data"
        return {partition: self.begins.get(partition, 0) for partition in partitions}

    async def ends(self, name: str, partitions: set[int], *, committed: bool) -> dict[int, int]:
        assert (name, committed) == ("data", True)
        return {partition: self.end(partition) for partition in partitions}

    async def confirm(self) -> None:
        """It is always the same log."""

    async def confirm_at(self, positions: Mapping[int, int]) -> None:
        """It is always the same log."""


@dataclass
class Reader:
    """A worker without Kafka: what it reads, it reads when it is told to."""

    processor: Processor
    topic: MemoryTopic

    async def take_over(self, *partitions: int) -> dict[int, int]:
        return await self.processor.on_assigned(set(partitions or range(self.topic.partitions)))

    def read(self, until: int | None = None, partition: int = 0) -> None:
        """Read on, up to an offset or to the log's end."""
        begin = self.processor.owned[partition].state.position
        self.processor.apply([self.topic.chunk(partition, begin, until)])
