"""A processor on a real topic and a real report database, without a worker around it: records come from the test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from streams.brokers import Brokers
from streams.cdc.folded import FoldedTopic
from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.cdc.topics import Topics
from streams.domain.plan import plan_for
from streams.engine import PartitionRecords
from streams.fold.checkpoint import Checkpoints
from streams.fold.checkpointing import Checkpointing
from streams.fold.partials import Partials
from streams.fold.processor import Processor
from streams.store.database import Pool
from streams.store.epoch import Epoch, begin_epoch
from streams.store.installation import register_installation
from tests.fakes.envelopes import ROW, FakeRecord, envelope
from tests.integration.closing.conftest import START

PLAN = plan_for(("hour",), "UTC")


@dataclass
class Bench:
    """Two partitions of a topic that is empty; `processor` holds both and is at its end."""

    processor: Processor
    pool: Pool
    topics: Topics
    topic: str
    next_offset: int = 0
    flushed: list[dict[int, int]] = field(default_factory=list)

    def apply(self, *values: bytes) -> None:
        """Fold one record for each value, on partition 0."""
        records = [
            FakeRecord(value, self.next_offset + number, b"key %d" % number)
            for number, value in enumerate(values)
        ]
        self.next_offset += len(values)
        self.processor.apply([PartitionRecords(0, records, self.next_offset)])

    async def counts(self) -> int:
        """Return how many counts Postgres holds."""
        count: int = await self.pool.fetchval("select count(*) from funnelproof.partial")
        return count

    async def keep_flushing(self) -> None:
        """Flush as a worker does; never returns."""

        async def note(positions: dict[int, int]) -> None:
            self.flushed.append(positions)

        await self.processor.keep_flushing(note)


def entered(**changed: object) -> bytes:
    """The event of a new row of a new deal, in a stage of its own."""
    row = {**ROW, "id": str(uuid4()), "deal_id": str(uuid4()), "pipeline_stage_id": str(uuid4()), **changed}
    return envelope("c", after=row)


@pytest.fixture
async def bench(kafka: str, database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    topics, name = Topics(Brokers(kafka)), f"bench-{uuid4().hex[:8]}"
    topic = await topics.ensure(name, 2, DATA_TOPIC_SETTINGS)
    epoch = Epoch(name, topic.topic_id, 2, PLAN)
    async with asyncpg.create_pool(
        database, server_settings={"timezone": "UTC"}, min_size=1, max_size=4
    ) as pool:
        async with pool.acquire() as connection:
            await register_installation(connection, "funnelproof", START)
        partials = Partials(pool, epoch, "worker")
        await begin_epoch(pool, epoch)
        folded = FoldedTopic(Brokers(kafka), topic)
        checkpointing = Checkpointing(Checkpoints(tmp_path, epoch.id), 3600.0)
        processor = Processor(folded, partials, checkpointing, PLAN, 0.05)
        await processor.on_assigned({0, 1})
        yield Bench(processor, pool, topics, name)
    await topics.delete([name])
