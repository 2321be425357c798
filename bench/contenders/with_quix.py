"""Quix Streams: state by deal, a repartition by pair of stages, its own Postgres sink."""

from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import psycopg2
from quixstreams import Application, State
from quixstreams.models.serializers import Deserializer, SerializationContext
from quixstreams.sinks.community.postgresql import PostgreSQLSink

from bench.contenders.funnel import (
    FACTS,
    GROUP,
    KAFKA,
    STAGES_QUERY,
    STATE,
    TOPIC,
    Entries,
    enter,
    mark_first,
    stages,
)

with psycopg2.connect(FACTS) as _connection, _connection.cursor() as _cursor:
    _cursor.execute(STAGES_QUERY)
    KNOWN = stages(_cursor.fetchall())
TENANTS = {stage.pipeline_id: (stage.tenant_id, stage.siblings) for stage in KNOWN.values()}


class DealKey(Deserializer):
    """State is kept by key: that of the deal, whose events are all in one partition."""

    def __call__(self, value: bytes, ctx: SerializationContext) -> str:
        """Return the deal's id."""
        del ctx
        deal: str = orjson.loads(value)["deal_id"]
        return deal


class Fold:
    """Notes each entry; gives what it changes."""

    def __init__(self) -> None:
        self._first = True

    def __call__(self, event: dict[str, Any], state: State) -> list[dict[str, Any]]:
        """Return the deltas of one event."""
        if self._first:
            mark_first()
            self._first = False
        row = event["after"]
        if row is None:
            return []
        at = row["entered_at"][:-1]
        day = at[:10]
        stage = KNOWN[row["pipeline_stage_id"]]
        entries: Entries = state.get(day) or [None] * len(stage.siblings)
        deltas = enter(entries, stage.place, at)
        if deltas is None:
            return []
        state.set(day, entries)
        return [
            {
                "pair": f"{stage.pipeline_id}|{day}|{delta.pair}",
                "entered": delta.entered,
                "converted": delta.converted,
            }
            for delta in deltas
            if delta.entered or delta.converted
        ]


def count(delta: dict[str, Any], state: State) -> dict[str, Any]:
    """Add a delta to its pair's counts; return the fact."""
    entered, converted = state.get("counts") or (0, 0)
    entered += delta["entered"]
    converted += delta["converted"]
    state.set("counts", [entered, converted])
    pipeline, day, number = delta["pair"].split("|")
    tenant, siblings = TENANTS[pipeline]
    return {
        "tenant_id": tenant,
        "pipeline_id": pipeline,
        "window": day,
        "from_stage_id": siblings[int(number)],
        "to_stage_id": siblings[int(number) + 1],
        "entered_count": entered,
        "converted_count": converted,
    }


def main() -> None:
    """Run until SIGTERM."""
    app = Application(
        KAFKA,
        consumer_group=GROUP,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=STATE,
        commit_interval=2.0,
        loglevel="WARNING",
        producer_extra_config={"compression.type": "lz4", "linger.ms": 50},
    )
    address = urlsplit(FACTS)
    sink = PostgreSQLSink(
        host=address.hostname or "127.0.0.1",
        port=address.port or 5432,
        dbname=address.path.lstrip("/"),
        user=unquote(address.username or "postgres"),
        password=unquote(address.password or ""),
        schema_name="bench",
        table_name="facts",
        schema_auto_update=False,
        include_metadata=False,
        primary_key_columns=["pipeline_id", "window", "from_stage_id"],
        upsert_on_primary_key=True,
    )
    frame = app.dataframe(app.topic(TOPIC, key_deserializer=DealKey(), value_deserializer="json"))
    frame = frame.apply(Fold(), stateful=True, expand=True)
    frame = frame.group_by(_pair, name="pair", key_serializer="str", key_deserializer="str")
    frame = frame.apply(count, stateful=True)
    frame.sink(sink)
    app.run()


def _pair(delta: dict[str, Any]) -> str:
    pair: str = delta["pair"]
    return pair


if __name__ == "__main__":
    main()
