"""Stock faust-streaming: two tables in memory with changelog topics, facts to Postgres once a second."""

from collections.abc import AsyncIterable
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import faust

from bench.contenders.funnel import (
    FACTS,
    GROUP,
    KAFKA,
    STAGES_QUERY,
    STATE,
    TOPIC,
    Entries,
    Stage,
    enter,
    mark_first,
    stages,
)

_PARTITIONS = 8
_UPSERT = """
insert into bench.facts values ($1, $2, $3, $4, $5, $6, $7)
on conflict (pipeline_id, "window", from_stage_id)
do update set entered_count = excluded.entered_count, converted_count = excluded.converted_count
"""

app = faust.App(
    GROUP,
    broker="kafka://" + KAFKA.replace(",", ";"),
    store="memory://",
    datadir=Path(STATE, "faust"),
    topic_partitions=_PARTITIONS,
    topic_replication_factor=1,
    topic_disable_leader=True,
    broker_max_poll_records=2000,
    broker_commit_interval=2.0,
    producer_linger=0.05,
    stream_wait_empty=False,
    stream_buffer_maxsize=16384,
    stream_publish_on_commit=False,
    web_enabled=False,
)
events = app.topic(TOPIC, value_serializer="json", key_serializer="raw")
# A table's changes go to the partition of the event that made them, so its keys must be of one partition.
deals = app.Table("deals", partitions=_PARTITIONS)  # deal|day -> first entries
counts = app.Table("counts", partitions=_PARTITIONS)  # partition|pipeline|day|pair -> [entered, converted]

known: dict[str, Stage] = {}
touched: set[str] = set()


async def connect() -> asyncpg.Connection:
    """Return a connection to the database of the facts; the stages are then known."""
    connection = await asyncpg.connect(FACTS)
    if not known:
        known.update(stages([tuple(row) for row in await connection.fetch(STAGES_QUERY)]))
    return connection


@app.agent(events)
async def fold(stream: Any) -> None:  # noqa: ANN401 - a Faust stream
    """Note each entry and count what it changes."""
    connection = await connect()
    await connection.close()
    arriving: AsyncIterable[Any] = stream.events()
    first = True
    async for event in arriving:
        if first:
            mark_first()
            first = False
        row = event.value["after"]
        if row is None:
            continue
        at = row["entered_at"][:-1]
        day = at[:10]
        stage = known[row["pipeline_stage_id"]]
        deal = f"{row['deal_id']}|{day}"
        entries: Entries = list(deals.get(deal) or [None] * len(stage.siblings))
        deltas = enter(entries, stage.place, at)
        if deltas is None:
            continue
        deals[deal] = entries
        for delta in deltas:
            pair = f"{stage.pipeline_id}|{day}|{delta.pair}"
            key = f"{event.message.partition}|{pair}"
            entered, converted = counts.get(key) or (0, 0)
            counts[key] = [entered + delta.entered, converted + delta.converted]
            touched.add(pair)


@app.timer(1.0)
async def flush() -> None:
    """Write the facts that have changed."""
    pairs = list(touched)
    touched.clear()
    if not pairs:
        return
    siblings = {stage.pipeline_id: (stage.tenant_id, stage.siblings) for stage in known.values()}
    rows = []
    for name in pairs:
        pipeline, day, number = name.split("|")
        pair = int(number)
        tenant, order = siblings[pipeline]
        parts = [counts.get(f"{partition}|{name}") or (0, 0) for partition in range(_PARTITIONS)]
        sums = sum(part[0] for part in parts), sum(part[1] for part in parts)
        rows.append((tenant, pipeline, date.fromisoformat(day), order[pair], order[pair + 1], *sums))
    connection = await connect()
    await connection.executemany(_UPSERT, rows)
    await connection.close()


if __name__ == "__main__":
    app.main()
