"""Bytewax: two stateful steps over batches, facts to Postgres as they are counted, at most once a second each."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import orjson
import psycopg
from bytewax import operators
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from bench.contenders.funnel import FACTS, KAFKA, STAGES_QUERY, TOPIC, Entries, enter, mark_first, stages

_BATCH = 1000
_EVERY = timedelta(seconds=1)
_UPSERT = """
insert into bench.facts values (%s, %s, %s, %s, %s, %s, %s)
on conflict (pipeline_id, "window", from_stage_id)
do update set entered_count = excluded.entered_count, converted_count = excluded.converted_count
"""

with psycopg.connect(FACTS) as _connection:
    KNOWN = stages(_connection.execute(STAGES_QUERY).fetchall())
TENANTS = {stage.pipeline_id: (stage.tenant_id, stage.siblings) for stage in KNOWN.values()}


class Entry(NamedTuple):
    """A deal's entry into a stage."""

    stage_id: str
    at: str


class Change(NamedTuple):
    """What an entry adds to the counts of a pair of stages."""

    pair: str
    entered: int
    converted: int


def decode(messages: list[KafkaSourceMessage[bytes, bytes]]) -> list[tuple[str, Entry]]:
    """Return the entries by deal and day."""
    mark_first()
    entries = []
    for message in messages:
        row = orjson.loads(message.value)["after"]
        if row is not None:
            at = row["entered_at"][:-1]
            entries.append((f"{row['deal_id']}|{at[:10]}", Entry(row["pipeline_stage_id"], at)))
    return entries


class Deal(StatefulBatchLogic[Entry, Change, Entries]):
    """The first entries of one deal in one day."""

    def __init__(self, resumed: Entries | None) -> None:
        self._entries = resumed

    def on_batch(self, values: list[Entry]) -> tuple[Iterable[Change], bool]:
        """Note entries; emit what they change."""
        changes = []
        for value in values:
            stage = KNOWN[value.stage_id]
            if self._entries is None:
                self._entries = [None] * len(stage.siblings)
            for delta in enter(self._entries, stage.place, value.at) or ():
                if delta.entered or delta.converted:
                    pair = f"{stage.pipeline_id}|{value.at[:10]}|{delta.pair}"
                    changes.append(Change(pair, delta.entered, delta.converted))
        return changes, StatefulBatchLogic.RETAIN

    def snapshot(self) -> Entries:
        """Return what recovery gives back."""
        return list(self._entries or ())


class Pair(StatefulBatchLogic[Change, tuple[int, int], tuple[int, int]]):
    """The counts of one pair of stages in one day."""

    def __init__(self, resumed: tuple[int, int] | None) -> None:
        self._entered, self._converted = resumed or (0, 0)
        self._due: datetime | None = datetime.now(UTC) if resumed else None

    def on_batch(self, values: list[Change]) -> tuple[Iterable[tuple[int, int]], bool]:
        """Add changes; the sums are emitted when they are due."""
        for value in values:
            self._entered += value.entered
            self._converted += value.converted
        self._due = self._due or datetime.now(UTC) + _EVERY
        return (), StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[tuple[int, int]], bool]:
        """Emit the sums."""
        self._due = None
        return [self.snapshot()], StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """Return when the sums are due."""
        return self._due

    def snapshot(self) -> tuple[int, int]:
        """Return what recovery gives back."""
        return self._entered, self._converted


class _Facts(StatelessSinkPartition[tuple[str, tuple[int, int]]]):
    def __init__(self) -> None:
        self._connection = psycopg.connect(FACTS, autocommit=True)

    def write_batch(self, items: Sequence[tuple[str, tuple[int, int]]]) -> None:
        rows = []
        for name, counts in dict(items).items():
            pipeline, day, number = name.split("|")
            tenant, siblings = TENANTS[pipeline]
            pair = int(number)
            rows.append((tenant, pipeline, day, siblings[pair], siblings[pair + 1], *counts))
        with self._connection.cursor() as cursor:
            cursor.executemany(_UPSERT, rows)


class _FactSink(DynamicSink[tuple[str, tuple[int, int]]]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Facts:
        del step_id, worker_index, worker_count
        return _Facts()


flow = Dataflow("funnel")
records = operators.input("records", flow, KafkaSource(KAFKA.split(","), [TOPIC], batch_size=_BATCH))
entered = operators.flat_map_batch("decode", records, decode)
changed = operators.stateful_batch("deals", entered, Deal)
keyed = operators.key_on("by pair", operators.map("changes", changed, lambda pair: pair[1]), lambda c: c.pair)
operators.output("facts", operators.stateful_batch("pairs", keyed, Pair), _FactSink())
