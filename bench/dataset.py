"""The common work laid out on the servers: its events in a topic, its rows in a database, its answer beside them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from asyncpg import Record
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench.envelopes import envelope, key
from bench.errors import BenchError
from bench.servers import Servers, connected, unique
from bench.statements import statement
from bench.work import PARTITIONS, TABLE, Row, Work, instant, partition_of
from streams.resources import sql

_POLL_EVERY = 5000
_STAGE_COLUMNS = ("id", "tenant_id", "pipeline_id", "display_order")
_EXPECTED_COLUMNS = (
    *("window_name", "tenant_id", "pipeline_id", "window_start"),
    *("from_stage_id", "to_stage_id", "entered_count", "converted_count"),
)


@dataclass(frozen=True)
class Dataset:
    """Where one work lies. `expected` is the right answer for windows of a day."""

    servers: Servers
    work: Work
    source_dsn: str
    topic_prefix: str
    expected: Sequence[Record]

    @property
    def topic(self) -> str:
        """The topic that holds the events."""
        return f"{self.topic_prefix}.dyno_crm.{TABLE}"

    @property
    def entries(self) -> int:
        """How many entries a complete result counts."""
        return sum(row["entered_count"] for row in self.expected)

    @asynccontextmanager
    async def result_database(self, name: str, kinds: Sequence[str] = ("day",)) -> AsyncIterator[str]:
        """Make a database for one contender's result, with what is expected for these kinds of windows."""
        expected = [row for kind in kinds for row in await self.expect(kind)]
        async with self.servers.database(name) as dsn:
            async with connected(dsn) as connection:
                await connection.execute(statement("result_database"))
                await connection.copy_records_to_table(
                    "stage", schema_name="bench", columns=_STAGE_COLUMNS, records=_stages(self.work)
                )
                await connection.copy_records_to_table(
                    "expected", schema_name="bench", columns=_EXPECTED_COLUMNS, records=map(tuple, expected)
                )
            yield dsn

    async def expect(self, kind: str) -> Sequence[Record]:
        """Return the right answer for windows of another kind."""
        if kind == "day":
            return self.expected
        async with connected(self.source_dsn) as connection:
            return await connection.fetch(statement("expected"), kind)


@asynccontextmanager
async def laid_out(servers: Servers, work: Work) -> AsyncIterator[Dataset]:
    """Lay the work out for the length of a block."""
    async with servers.database(work.name) as dsn:
        dataset = Dataset(servers, work, dsn, unique(work.name), await load(dsn, work))
        try:
            publish(dataset)
            yield dataset
        finally:
            servers.delete_topics(dataset.topic)


async def load(dsn: str, work: Work) -> Sequence[Record]:
    """Make the CRM's tables with the rows that remain; return the right answer for windows of a day."""
    async with connected(dsn) as connection:
        await connection.execute(sql("local/crm"))
        await connection.copy_records_to_table(
            "pipeline_stage", schema_name="dyno_crm", columns=_STAGE_COLUMNS, records=_stages(work)
        )
        await connection.copy_records_to_table(TABLE, schema_name="dyno_crm", records=map(_record, work.rows))
        await connection.execute("analyze")
        return await connection.fetch(statement("expected"), "day")


def publish(dataset: Dataset) -> None:
    """Make the topic anew and send the events, lz4-compressed; raises BenchError when the broker refuses."""
    new_topic(dataset.servers.kafka, dataset.topic)
    producer = Producer(
        {
            "bootstrap.servers": dataset.servers.kafka,
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 500_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    for number, event in enumerate(dataset.work.events):
        value, place = envelope(number, event), partition_of(event.after)
        while True:
            try:
                producer.produce(dataset.topic, value, key(event.after), place)
                break
            except BufferError:
                producer.poll(0.5)
        if number % _POLL_EVERY == 0:
            producer.poll(0)
    if left := producer.flush(60):
        raise BenchError(f"{left} events could not be sent to Kafka at {dataset.servers.kafka}")


def new_topic(kafka: str, name: str, compaction_lag: timedelta = timedelta(hours=6)) -> None:
    """Make a compacted topic; with the lag by default nothing is compacted during a run."""
    admin = AdminClient({"bootstrap.servers": kafka})
    lag = f"{compaction_lag // timedelta(milliseconds=1)}"
    settings = {"cleanup.policy": "compact", "retention.ms": "-1", "min.compaction.lag.ms": lag}
    topic = NewTopic(name, PARTITIONS, 1, config=settings)
    try:
        admin.create_topics([topic])[name].result()
    except KafkaException as error:
        raise BenchError(f"topic {name} cannot be made: {error.args[0].str()}") from error


def _stages(work: Work) -> list[tuple[UUID, UUID, UUID, int]]:
    return [
        (UUID(stage), UUID(pipeline.tenant_id), UUID(pipeline.id), order)
        for pipeline in work.pipelines
        for order, stage in enumerate(pipeline.stages, 1)
    ]


def _record(row: Row) -> tuple[object, ...]:
    return (
        UUID(row.id),
        UUID(row.pipeline.tenant_id),
        UUID(row.deal_id),
        UUID(row.pipeline.id),
        UUID(row.stage_id),
        instant(row.entered_at),
        None if row.exited_at is None else instant(row.exited_at),
    )
