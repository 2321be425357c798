"""Debezium's change events of `deal_pipeline_stage_state`, decoded to changes.

Accepted: JSON with or without the schema part. Everything else is refused with a reason, and nothing is guessed:
an event that cannot be read is a dead letter, never a skipped one.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

import msgspec

from streams.domain.change import Change, Scope
from streams.domain.deal import GONE
from streams.domain.partition import Vocabulary
from streams.domain.windows import EPOCH, MICROSECOND

_Identifier = Annotated[str, msgspec.Meta(min_length=36, max_length=36)]
_UUID_BYTES = 16
_STATES = frozenset({"c", "u", "r"})
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
    """Decodes records to changes in the worker's vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._envelope = msgspec.json.Decoder(_Envelope).decode
        self._key = msgspec.json.Decoder(_Key).decode
        self._vocabulary = vocabulary
        self._stages = _Known(lambda text: vocabulary.stages.code(str(UUID(text))))
        self._scopes = _Known(self._scope)

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
        operation = event.op
        lsn = source.lsn
        if lsn is None and operation != "r":
            raise ValueError("a streamed change without `source.lsn`")
        if operation == "d":
            key = self._key(event.before)
            gone = (
                _bytes(key.deal_id),
                _bytes(key.id),
                0,
                GONE,
                0,
                lsn,
                source.ts_ms * 1000,
                _rekeyed(record),
            )
            return tuple.__new__(Change, gone)
        if operation not in _STATES:
            raise ValueError(f"operation {operation!r} is not one of c, u, d, r")
        row = event.after
        if row is None:
            raise ValueError(f"operation {operation!r} without the row's new state in `after`")
        # Straight to the tuple: Change(...) takes three times as long, and this runs for every event.
        return tuple.__new__(
            Change,
            (
                _bytes(row.deal_id),
                _bytes(row.id),
                self._scopes[row.tenant_id, row.pipeline_id],
                self._stages[row.pipeline_stage_id],
                (row.entered_at - EPOCH) // MICROSECOND,
                None if operation == "r" else lsn,
                source.ts_ms * 1000,
                operation == "c" and bool(record.headers) and _rekeyed(record),
            ),
        )

    def _scope(self, ids: tuple[str, str]) -> int:
        return self._vocabulary.scopes.code(Scope(*(str(UUID(text)) for text in ids)))


class _Known(dict[Any, int]):
    """Codes of what was met before; a text is checked and brought to canonical form when it is met first."""

    def __init__(self, code: Callable[[Any], int]) -> None:
        super().__init__()
        self._code = code

    def __missing__(self, key: Any) -> int:  # noqa: ANN401 - a text, or two
        code = self[key] = self._code(key)
        return code


def _bytes(identifier: str) -> bytes:
    """Return the sixteen bytes of a UUID; raises ValueError for anything else."""
    found = bytes.fromhex(identifier.replace("-", ""))
    if len(found) != _UUID_BYTES:
        raise ValueError(f"{identifier!r} is no UUID")
    return found


def _rekeyed(record: LogRecord) -> bool:
    return any(name in _REKEYED for name, _ in record.headers)


def _reason(value: bytes, error: Exception) -> str:
    text = str(error)
    if "Expected `str` of length" in text:
        text += " (an empty identifier in `before` means the table lacks REPLICA IDENTITY FULL)"
    elif b'"op"' not in value and b'"__op"' in value:
        text += " (unwrapped events are refused: run the connector without ExtractNewRecordState)"
    return text
