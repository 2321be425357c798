"""One process, librdkafka, dictionaries, one COPY at the end; a crash begins anew.

Without an argument it decodes the three fields that it needs, into types: the floor. With `orjson` as its argument
it parses the whole JSON, as such a loop is usually written.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

import asyncpg
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


Decoder = Callable[[Iterable[Any]], Iterator[tuple[str, str, str]]]
"""Gives the deal, the stage and the instant of each of many messages that has a row."""

Counts = dict[tuple[str, str, int], list[int]]
"""Entered and converted by pipeline, day and pair of stages."""


def typed() -> Decoder:
    """Decode with msgspec what is needed and no more."""
    import msgspec  # noqa: PLC0415 - the other decoder's environment lacks it

    row_type = msgspec.defstruct(
        "Row", [("deal_id", str), ("pipeline_stage_id", str), ("entered_at", str)], gc=False
    )
    envelope = msgspec.defstruct("Envelope", [("after", row_type | None)], gc=False)
    decode = msgspec.json.Decoder(envelope).decode

    def entries(messages: Iterable[Any]) -> Iterator[tuple[str, str, str]]:
        for message in messages:
            row: Any = decode(message.value()).after  # type: ignore[attr-defined]  # defined above
            if row is not None:
                yield row.deal_id, row.pipeline_stage_id, row.entered_at

    return entries


def plain() -> Decoder:
    """Parse everything with orjson."""
    from orjson import loads  # noqa: PLC0415 - see above

    def entries(messages: Iterable[Any]) -> Iterator[tuple[str, str, str]]:
        for message in messages:
            row = loads(message.value())["after"]
            if row is not None:
                yield row["deal_id"], row["pipeline_stage_id"], row["entered_at"]

    return entries


def fold(known: dict[str, Stage], decode: Decoder) -> Counts:
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
    deals: dict[str, Entries] = {}
    counts: Counts = {}
    while left > 0:
        messages = consumer.consume(_AT_ONCE, 0.2)
        if messages:
            mark_first()
        left -= len(messages)
        for deal_id, stage_id, entered_at in decode(messages):
            at = entered_at[:-1]
            day = at[:10]
            stage = known[stage_id]
            deal = deal_id + day
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
    decode = plain() if sys.argv[1:] == ["orjson"] else typed()
    known = stages([tuple(row) for row in await connection.fetch(STAGES_QUERY)])
    tenants = {stage.pipeline_id: (stage.tenant_id, stage.siblings) for stage in known.values()}
    rows = []
    for (pipeline, day, pair), (entered, converted) in fold(known, decode).items():
        tenant, siblings = tenants[pipeline]
        row = tenant, pipeline, date.fromisoformat(day), siblings[pair], siblings[pair + 1]
        rows.append((*row, entered, converted))
    await connection.copy_records_to_table("facts", schema_name="bench", records=rows)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
