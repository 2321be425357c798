"""Markers: messages emitted into the source's log and met again in Kafka, behind everything committed before them.

The protocol: write the marker down, emit the marker, note the marker's LSN, then read the message topic until the
marker comes. Example: markers 7 and 9 came, but marker 8 did not. Changes may have been lost along with marker 8, and a
doubt is noted.
"""

import base64
import contextlib
import time
from collections.abc import Iterable
from typing import Annotated, Self
from uuid import UUID

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.brokers import Brokers
from streams.cdc.silence import why_silent
from streams.completeness.stages import read_stages
from streams.domain.proof import Marker
from streams.errors import UnreachableError
from streams.resources import sql
from streams.store.database import Connection, Pool


class _Message(msgspec.Struct):
    prefix: str
    content: str


class _Event(msgspec.Struct):
    op: str = ""
    message: _Message | None = None


class _Body(msgspec.Struct):
    n: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    token: UUID

    @property
    def identity(self) -> tuple[int, str]:
        return self.n, str(self.token)


class MarkerMissingError(Exception):
    """A marker did not come in time, and the marker's proof fails."""


class MarkerDeniedError(Exception):
    """The source does not let this role emit markers, or read the pipelines' stages."""


class Markers:
    """Emits markers, and waits for markers with a reader of the message topic."""

    def __init__(self, report: Pool, brokers: Brokers, topic: str, prefix: str) -> None:
        self._report = report
        self._prefix = prefix
        self._brokers = brokers
        self._place = TopicPartition(topic, 0)
        self._consumer = AIOKafkaConsumer(
            **brokers.aiokafka(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_wait_ms=500,
        )
        self._seen: set[tuple[int, str]] = set()

    async def __aenter__(self) -> Self:
        """Start to read the message topic from the beginning, to miss no marker of an earlier prover."""
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self._consumer.stop()
            raise await why_silent(self._brokers) from error
        try:
            await self.require_topic()
        except UnreachableError:
            await self._consumer.stop()
            raise
        self._consumer.assign([self._place])
        await self._consumer.seek_to_beginning(self._place)
        return self

    async def require_topic(self) -> None:
        """Raise UnreachableError if the message topic is missing: a reader would ask for the topic without a pause."""
        if self._place.topic not in await self._consumer.topics():
            raise UnreachableError(
                f"topic {self._place.topic} is missing, so nothing can be proven: "
                "run `funnelproof connector apply`"
            )

    async def __aexit__(self, *_: object) -> None:
        """Stop reading."""
        await self._consumer.stop()

    async def emit(self, source: Connection, purpose: str) -> Marker:
        """Emit a marker on `source`, outside any transaction, and right afterwards read the pipelines' stages.

        Raises MarkerDeniedError if the source refuses the marker or the stages.
        """
        intended = await self._report.fetchrow(sql("queries/completeness/marker_intend"), purpose)
        assert intended is not None  # noqa: S101 - the statement always returns one row
        marker_id, token = intended
        try:
            row = await source.fetchrow(
                sql("queries/completeness/marker_emit"), self._prefix, marker_id, token
            )
        except asyncpg.InsufficientPrivilegeError as error:
            await self._report.execute(sql("queries/completeness/marker_withdraw"), marker_id)
            raise MarkerDeniedError(f"nothing can be proven: {error}") from error
        assert row is not None  # noqa: S101 - the statement always returns one row
        await self._report.execute(sql("queries/completeness/marker_emitted"), marker_id, row["source_lsn"])
        try:
            stages = await read_stages(source)
        except asyncpg.InsufficientPrivilegeError as error:
            raise MarkerDeniedError(f"the pipelines' stages cannot be read: {error}") from error
        return Marker(
            marker_id,
            row["source_lsn"],
            row["snapshot"],
            row["system_identifier"],
            row["timeline"],
            stages,
            token,
        )

    async def arrival(self, marker: Marker, timeout: float) -> None:
        """Wait until the marker comes, and note every marker that came. A missing earlier marker becomes a doubt.

        Raises MarkerMissingError after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        awaited = marker.marker_id, marker.token
        fresh: set[tuple[int, str]] = set()
        while awaited not in self._seen:
            left = deadline - time.monotonic()
            if left <= 0:
                await self._note_seen(fresh)
                raise MarkerMissingError(f"marker {marker.marker_id} did not come within {timeout:.0f} s")
            records = await self._consumer.getmany(self._place, timeout_ms=int(min(left, 1.0) * 1000))
            arrived = set(
                identities((record.value for chunk in records.values() for record in chunk), self._prefix)
            )
            fresh |= arrived
            self._seen |= arrived
        await self._note_seen(fresh)

    async def _note_seen(self, fresh: set[tuple[int, str]]) -> None:
        self._seen = set(sorted(self._seen)[-1000:])
        async with self._report.acquire() as connection, connection.transaction():
            await connection.execute(sql("queries/completeness/marker_order"))
            await connection.execute(
                sql("queries/completeness/marker_seen"),
                [number for number, _ in fresh],
                [token for _, token in fresh],
            )


def identities(values: Iterable[bytes | None], prefix: str) -> Iterable[tuple[int, str]]:
    """Return number and token of each marker among messages; messages of other applications are passed over."""
    for value in values:
        if value is None:
            continue
        # Other applications' messages come in any form.
        with contextlib.suppress(msgspec.DecodeError, ValueError):
            event = msgspec.json.decode(value, type=_Event)
            if event.message is not None and event.message.prefix == prefix:
                yield msgspec.json.decode(base64.b64decode(event.message.content), type=_Body).identity
