"""Markers: messages emitted into the source's log and met again in Kafka, behind everything committed before them.

The protocol: write the marker down as intended, emit it, note its LSN; then read the message topic until it comes.
One that was emitted and never came, while a later one did, means that changes may have been lost.
"""

import base64
import contextlib
import time
from collections.abc import Iterable
from typing import Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.cdc.topics import no_broker
from streams.domain.change import Scope
from streams.domain.pairs import Stage
from streams.domain.proof import Marker
from streams.errors import UnreachableError
from streams.facts.database import Connection, Pool
from streams.resources import sql


class _Message(msgspec.Struct):
    prefix: str
    content: str


class _Event(msgspec.Struct):
    op: str = ""
    message: _Message | None = None


class _Content(msgspec.Struct):
    n: int


class MarkerMissingError(Exception):
    """A marker did not come in time; nothing can be said about what it was to prove."""


class Markers:
    """Emits markers and waits for them; one reader of the message topic."""

    def __init__(self, report: Pool, servers: str, topic: str, prefix: str) -> None:
        self._report = report
        self._prefix = prefix
        self._servers = servers
        self._place = TopicPartition(topic, 0)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
        )
        self._seen: set[int] = set()

    async def __aenter__(self) -> Self:
        """Start reading the message topic from its beginning, so that no marker of an earlier prover is missed."""
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self._consumer.stop()
            raise no_broker(self._servers) from error
        try:
            await self.require_topic()
        except UnreachableError:
            await self._consumer.stop()
            raise
        self._consumer.assign([self._place])
        await self._consumer.seek_to_beginning(self._place)
        return self

    async def require_topic(self) -> None:
        """Raise UnreachableError where there is no message topic: reading it would ask for it without a pause."""
        if self._place.topic not in await self._consumer.topics():
            raise UnreachableError(
                f"topic {self._place.topic} is missing, so nothing can be proven: "
                "run `funnelproof connector apply`"
            )

    async def __aexit__(self, *_: object) -> None:
        """Stop reading."""
        await self._consumer.stop()

    async def emit(self, source: Connection, purpose: str) -> Marker:
        """Emit a marker on `source`, outside any transaction, and read the pipelines' stages right after it."""
        marker_id = await self._report.fetchval(sql("queries/marker_intend"), purpose)
        row = await source.fetchrow(sql("queries/marker_emit"), self._prefix, marker_id)
        assert row is not None  # noqa: S101 - the statement always returns one row
        stages = await source.fetch(sql("queries/proof_stages"))
        await self._report.execute(sql("queries/marker_emitted"), marker_id, row["source_lsn"])
        return Marker(
            marker_id,
            row["source_lsn"],
            row["snapshot"],
            row["system_identifier"],
            row["timeline"],
            [
                Stage(
                    Scope(stage["tenant_id"], stage["pipeline_id"]),
                    stage["display_order"],
                    stage["stage_id"],
                    stage["name"],
                )
                for stage in stages
            ],
        )

    async def arrival(self, marker: Marker, timeout: float) -> int:
        """Wait until the marker comes; return how many emitted markers before it never did.

        Raises MarkerMissingError after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        fresh: set[int] = set()
        while marker.marker_id not in self._seen:
            left = deadline - time.monotonic()
            if left <= 0:
                await self._note_seen(fresh)
                raise MarkerMissingError(f"marker {marker.marker_id} did not come within {timeout:.0f} s")
            records = await self._consumer.getmany(self._place, timeout_ms=int(min(left, 1.0) * 1000))
            arrived = set(self._numbers(record.value for chunk in records.values() for record in chunk))
            fresh |= arrived
            self._seen |= arrived
        return await self._note_seen(fresh)

    async def _note_seen(self, fresh: set[int]) -> int:
        self._seen = set(sorted(self._seen)[-1000:])
        lost: int = await self._report.fetchval(sql("queries/marker_seen"), sorted(fresh))
        return lost

    def _numbers(self, values: Iterable[bytes | None]) -> Iterable[int]:
        for value in values:
            if value is None:
                continue
            with contextlib.suppress(
                msgspec.DecodeError, ValueError
            ):  # other applications' messages, in any form
                event = msgspec.json.decode(value, type=_Event)
                if event.message is not None and event.message.prefix == self._prefix:
                    yield msgspec.json.decode(base64.b64decode(event.message.content), type=_Content).n
