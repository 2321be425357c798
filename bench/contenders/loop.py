"""The floor: one process, librdkafka, typed decoding, dictionaries, one COPY at the end. A crash begins anew."""

import asyncio
from datetime import date

import asyncpg
import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench.contenders.funnel import (
    FACTS,
    GROUP,
    KAFKA,
    STAGES_QUERY,
    TOPIC,
    Entries,
    Stage,
    enter,
    mark_first,
    stages,
)

_AT_ONCE = 10_000


class _Row(msgspec.Struct, gc=False):
    deal_id: str
    pipeline_stage_id: str
    entered_at: str


class _Envelope(msgspec.Struct, gc=False):
    after: _Row | None


Counts = dict[tuple[str, str, int], list[int]]
"""Entered and converted by pipeline, day and pair of stages."""


def fold(known: dict[str, Stage]) -> Counts:
    """Read the topic from its beginning to where it ends now."""
    consumer = Consumer(
        {
            "bootstrap.servers": KAFKA,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "queued.min.messages": 200_000,
            "fetch.message.max.bytes": 4_000_000,
            "check.crcs": False,
        }
    )
    places = [
        TopicPartition(TOPIC, number, 0) for number in consumer.list_topics(TOPIC).topics[TOPIC].partitions
    ]
    left = sum(consumer.get_watermark_offsets(place)[1] for place in places)
    consumer.assign(places)
    decode = msgspec.json.Decoder(_Envelope).decode
    deals: dict[str, Entries] = {}
    counts: Counts = {}
    while left > 0:
        messages = consumer.consume(_AT_ONCE, 0.2)
        if messages:
            mark_first()
        left -= len(messages)
        for message in messages:
            row = decode(message.value()).after
            if row is None:
                continue
            at = row.entered_at[:-1]
            day = at[:10]
            stage = known[row.pipeline_stage_id]
            deal = row.deal_id + day
            entries = deals.get(deal)
            if entries is None:
                entries = deals[deal] = [None] * len(stage.siblings)
            for pair, entered, converted in enter(entries, stage.place, at) or ():
                count = counts.get((stage.pipeline_id, day, pair))
                if count is None:
                    count = counts[stage.pipeline_id, day, pair] = [0, 0]
                count[0] += entered
                count[1] += converted
    consumer.close()
    return counts


async def main() -> None:
    """Fold the topic and write the facts."""
    connection = await asyncpg.connect(FACTS)
    known = stages([tuple(row) for row in await connection.fetch(STAGES_QUERY)])
    tenants = {stage.pipeline_id: (stage.tenant_id, stage.siblings) for stage in known.values()}
    rows = []
    for (pipeline, day, pair), (entered, converted) in fold(known).items():
        tenant, siblings = tenants[pipeline]
        row = tenant, pipeline, date.fromisoformat(day), siblings[pair], siblings[pair + 1]
        rows.append((*row, entered, converted))
    await connection.copy_records_to_table("facts", schema_name="bench", records=rows)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
