"""Restatements: rows as the source has them now, put into the log by funnelproof itself.

A restatement is an event of Debezium's form, so a fold needs no rule for restatements. The event's `lsn` is a position
in the source's log for which two things hold: the row was read after every transaction with a change below the position
had ended, and every later change lies above the position. So a restatement replaces older states of the row, and never
a newer state: a fold passes over an event whose LSN is not above the row's version. Example: a restatement of 0/500
comes after an event of 0/700, because its sender was paused. The fold knows version 0/700, and does nothing.

The key is the row's own key with a space at its end: the same JSON, but other bytes. Compaction keeps the last record
of each key. With equal bytes, compaction would keep a late restatement of 0/500 and remove the event of 0/700.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from confluent_kafka import KafkaException, Producer

from streams.brokers import Brokers
from streams.cdc.topics import Topics, require_allowed
from streams.errors import PreconditionError, UnreachableError

_SEND_SECONDS = 10.0
_TRANSACTION_SECONDS = 5.0
"""A killed sender's transaction holds readers back until Kafka ends the transaction: after this time, and up to ten
seconds more (Kafka looks every ten seconds by default). The next sender ends the transaction at once."""


class RowKey(msgspec.Struct, frozen=True, rename={"row_id": "id"}):
    """A row of a deal, as named by a record's key."""

    deal_id: UUID
    row_id: UUID


@dataclass(frozen=True)
class SourceRow:
    """A row of the stage table; `entered_at` is the text that Debezium would write."""

    id: UUID
    tenant_id: UUID
    deal_id: UUID
    pipeline_id: UUID
    pipeline_stage_id: UUID
    entered_at: str


@dataclass(frozen=True)
class Restatement:
    """A record for a partition of the data topic; `key` is the row's own key."""

    partition: int
    key: bytes
    value: bytes


class _WithSchema(msgspec.Struct):
    payload: msgspec.Raw


def own_key(key: bytes | None) -> bytes | None:
    """Return the row's own key of a record: the key of a restatement without the space at the end."""
    return None if key is None else key.rstrip(b" ")


def parse_key(key: bytes | None) -> RowKey | None:
    """Return the row that a record's key names; None if the key names no row."""
    with suppress(msgspec.DecodeError, ValueError):
        return msgspec.json.decode(without_schema(key or b""), type=RowKey)
    return None


def without_schema(document: bytes) -> bytes | msgspec.Raw:
    """Return a document of Debezium's, without the schema part where the converter has added the schema."""
    with suppress(msgspec.DecodeError, ValueError):
        return msgspec.json.decode(document, type=_WithSchema).payload
    return document


def restate(partition: int, key: bytes, row: SourceRow | None, lsn: int, at: datetime) -> Restatement:
    """Return the restatement of the row that `key` names, as of `lsn`; `at` is the source's clock.

    `row` is the row in the source now. If the source has no such row, or the row belongs to another deal, the
    restatement is a deletion: the deal of the key has lost the row. Raises ValueError if `key` names no row.
    """
    named = parse_key(key)
    if named is None:
        raise ValueError(f"{key!r} names no row")
    source = {"connector": "funnelproof", "ts_ms": int(at.timestamp() * 1000), "lsn": lsn}
    event: dict[str, object]
    if row is None or (row.id, row.deal_id) != (named.row_id, named.deal_id):
        event = {"before": named, "after": None, "source": source, "op": "d"}
    else:
        event = {"before": None, "after": row, "source": source, "op": "c"}
    return Restatement(partition, key, msgspec.json.encode(event))


class RestatementSender:
    """Sends restatements to the log's data topic, in Kafka transactions: all of a batch, or none.

    One sender of an installation works at a time. `shut_others_out` must be called before the rows are read: a sender
    that has read older rows then sends nothing after this one. Otherwise compaction might keep the older restatement of
    two, and the row's own event may be unreadable. All senders of an installation therefore share one transactional id.
    """

    def __init__(self, brokers: Brokers, topic: str, topic_id: str, instance: str) -> None:
        self._topic = topic
        self._topic_id = topic_id
        self._topics = Topics(brokers)
        self._transactional_id = f"{instance}.restatements"
        self._producer = Producer(
            {
                **brokers.confluent(),
                "transactional.id": self._transactional_id,
                "transaction.timeout.ms": int(1000 * _TRANSACTION_SECONDS),
            },
            logger=logging.getLogger(__name__),
        )

    async def shut_others_out(self) -> None:
        """Shut former senders out for good. Raises UnreachableError, PreconditionError if a right is missing."""
        try:
            await asyncio.to_thread(self._producer.init_transactions, _SEND_SECONDS)
        except KafkaException as error:
            raise self._refused(error) from error

    async def send(self, restatements: Sequence[Restatement]) -> None:
        """Return once Kafka has the whole batch.

        The topic's id is confirmed between the last record and the commit. So a batch that went to a topic made anew,
        where a partition may belong to other deals, is never read. Raises PreconditionError if the topic is another one
        by now, UnreachableError if Kafka does not take the batch, or if another sender has shut this one out.
        """
        try:
            await asyncio.to_thread(self._produce, restatements)
            try:
                await self._confirm_topic()
            except BaseException:
                await asyncio.to_thread(self._producer.abort_transaction, _SEND_SECONDS)
                raise
            await asyncio.to_thread(self._producer.commit_transaction, _SEND_SECONDS)
        except KafkaException as error:
            raise self._refused(error) from error

    def _refused(self, error: KafkaException) -> UnreachableError:
        """Return the error of a batch that Kafka does not take. Raises PreconditionError if a right is missing."""
        require_allowed(
            error,
            f"give the user the operation Write on topic {self._topic}, and on transactional id "
            f"{self._transactional_id}",
        )
        return UnreachableError(f"Kafka does not take records for {self._topic}: {error.args[0].str()}")

    async def _confirm_topic(self) -> None:
        found = await self._topics.identity(self._topic)
        if found is None or found[0] != self._topic_id:
            raise PreconditionError(f"topic {self._topic} was made anew meanwhile: nothing was written")

    def _produce(self, restatements: Sequence[Restatement]) -> None:
        self._producer.begin_transaction()
        for each in restatements:
            self._producer.produce(self._topic, each.value, each.key + b" ", partition=each.partition)
            self._producer.poll(0)
        if self._producer.flush(_SEND_SECONDS):
            raise UnreachableError(f"Kafka does not confirm records for {self._topic}: run this again")
