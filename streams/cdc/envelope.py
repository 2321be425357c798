"""Debezium's change events of `deal_pipeline_stage_state`, decoded to changes.

Accepted: JSON with or without the schema part. Everything else is refused with a reason, and nothing is guessed:
an event that cannot be read is a dead letter, never a skipped one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Protocol

import msgspec

from streams.domain.change import Change, Identifiers, Scope, StageEntry
from streams.domain.windows import to_microseconds

_Identifier = Annotated[str, msgspec.Meta(min_length=36, max_length=36)]
_REKEYED = frozenset({"__debezium.newkey", "__debezium.oldkey"})


class MalformedEventError(Exception):
    """An event that cannot be applied; the message is the reason a person reads."""


class LogRecord(Protocol):
    """The part of a Kafka record that decoding reads."""

    @property
    def value(self) -> bytes | None:
        """The event; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """The record's headers, in which Debezium says that a row changed its key."""


class _Row(msgspec.Struct, gc=False):
    id: _Identifier
    tenant_id: _Identifier
    deal_id: _Identifier
    pipeline_id: _Identifier
    pipeline_stage_id: _Identifier
    entered_at: Annotated[datetime, msgspec.Meta(tz=True)]


class _Key(msgspec.Struct, gc=False):
    id: _Identifier
    deal_id: _Identifier


class _Source(msgspec.Struct, gc=False):
    ts_ms: int
    lsn: int | None = None


class _Envelope(msgspec.Struct, gc=False):
    op: str
    source: _Source
    before: msgspec.Raw = msgspec.Raw()
    after: _Row | None = None


class _WithSchema(msgspec.Struct, gc=False):
    payload: msgspec.Raw


class ChangeDecoder:
    """Decodes records to changes; interns the identifiers it meets, so keep one a worker."""

    def __init__(self) -> None:
        self._envelope = msgspec.json.Decoder(_Envelope).decode
        self._key = msgspec.json.Decoder(_Key).decode
        self._identifiers = Identifiers()
        self._scopes: dict[tuple[str, str], Scope] = {}

    def decode(self, record: LogRecord) -> Change | None:
        """Return the change a record tells of, None for a tombstone.

        Raises MalformedEventError with the reason for anything that cannot be applied.
        """
        value = record.value
        if value is None:
            return None
        try:
            return self._change(self._read(value), record)
        except (msgspec.DecodeError, ValueError, OverflowError) as error:
            raise MalformedEventError(_reason(value, error)) from error

    def _read(self, value: bytes) -> _Envelope:
        try:
            return self._envelope(value)
        except msgspec.ValidationError:
            if b'"payload"' not in value:
                raise
        return self._envelope(msgspec.json.decode(value, type=_WithSchema).payload)

    def _change(self, event: _Envelope, record: LogRecord) -> Change:
        source = event.source
        row = event.after
        if source.lsn is None and event.op != "r":
            raise ValueError("a streamed change without `source.lsn`")
        if event.op == "d":
            key = self._key(event.before)
            return Change(key.deal_id, key.id, None, source.lsn or 0, source.ts_ms * 1000, _rekeyed(record))
        if event.op not in ("c", "u", "r"):
            raise ValueError(f"operation {event.op!r} is not one of c, u, d, r")
        if row is None:
            raise ValueError(f"operation {event.op!r} without the row's new state in `after`")
        identifiers = self._identifiers
        ids = (identifiers[row.tenant_id], identifiers[row.pipeline_id])
        scope = self._scopes.get(ids)
        if scope is None:
            scope = self._scopes[ids] = Scope(*ids)
        entry = StageEntry(scope, identifiers[row.pipeline_stage_id], to_microseconds(row.entered_at))
        lsn = None if event.op == "r" else source.lsn or 0
        rekeyed = event.op == "c" and _rekeyed(record)
        return Change(row.deal_id, row.id, entry, lsn, source.ts_ms * 1000, rekeyed)


def _rekeyed(record: LogRecord) -> bool:
    return any(name in _REKEYED for name, _ in record.headers)


def _reason(value: bytes, error: Exception) -> str:
    text = str(error)
    if "Expected `str` of length" in text:
        text += " (an empty identifier in `before` means the table lacks REPLICA IDENTITY FULL)"
    elif b'"op"' not in value and b'"__op"' in value:
        text += " (unwrapped events are refused: run the connector without ExtractNewRecordState)"
    return text
