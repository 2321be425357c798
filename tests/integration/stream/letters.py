"""Rows whose events never reach the log, and spoiled events in their place."""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

UNRESOLVED = "select count(*) from funnelproof.dead_letter where resolved_at is null"
PLACES = "select array_agg(partition || '/' || source_offset) from funnelproof.dead_letter where resolved_at is null"
IN_DOUBT = "select exists (select from funnelproof.doubt where kind = 'publication' and resolved_at is null)"
FORGET = "delete from funnelproof.doubt where kind = 'publication'"
HIDDEN = """
alter publication {name} drop table dyno_crm.deal_pipeline_stage_state;
insert into dyno_crm.deal_pipeline_stage_state (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
values ('{row}', '{tenant}', '{deal}', '{pipeline}', '{stage}', '{at}');
alter publication {name} add table dyno_crm.deal_pipeline_stage_state;
"""


@dataclass(frozen=True)
class Spoiled:
    """A deal with a counted entry into the first stage, and an entry into the second that no event tells."""

    deal: UUID
    row: UUID
    partition: int
    key: bytes


async def spoil(installation: Installation, funnel: Funnel, first: datetime, then: datetime) -> Spoiled:
    """Make such a deal; the second entry's event is spoiled. The letter is not waited for."""
    connection, deal = installation.connection, uuid4()
    entry = await funnel.enter(connection, deal, "a", first)
    message = await asyncio.to_thread(event_of, installation, entry)
    row = await hide(installation, funnel, deal, then)
    key = json.dumps({"deal_id": str(deal), "id": str(row)}, separators=(",", ":")).encode()
    partition = message.partition() or 0
    await asyncio.to_thread(produce, installation, partition, key, b'{"before":null,"after":')
    return Spoiled(deal, row, partition, key)


async def hide(installation: Installation, funnel: Funnel, deal: UUID, at: datetime) -> UUID:
    """Enter the deal into the second stage without an event; the source's fingerprint is made to forget it."""
    row, connection = uuid4(), installation.connection
    words = {
        "name": installation.settings.instance,
        "row": row,
        "tenant": funnel.tenant,
        "deal": deal,
        "pipeline": funnel.pipeline,
        "stage": funnel.ids["b"],
        "at": at.isoformat(),
    }
    async with connection.transaction():
        await connection.execute(HIDDEN.format(**words))
    await installation.wait_until(IN_DOUBT)
    await connection.execute(FORGET)
    return row


def produce(installation: Installation, partition: int, key: bytes, value: bytes) -> None:
    """Write a record into the data topic."""
    producer = Producer({"bootstrap.servers": installation.settings.kafka})
    producer.produce(installation.settings.data_topic, value, key=key, partition=partition)
    assert producer.flush(10) == 0


def event_of(installation: Installation, entry: UUID) -> Message:
    """Read the data topic until the event of that row comes."""
    settings = installation.settings
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka, "group.id": "none", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(settings.data_topic, place, 0) for place in range(settings.partitions)])
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and str(entry).encode() in (message.key() or b""):
                return message
    finally:
        consumer.close()
    raise AssertionError(f"no event of {entry} in {settings.data_topic}")
