"""Debezium's change events of `deal_pipeline_stage_state`, decoded to changes.

Accepted: JSON with or without the schema part. Any other event is refused with a reason and becomes a dead letter;
no event is guessed at, and no event is skipped.
"""

import contextlib
import struct
from binascii import unhexlify
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat, starmap
from operator import attrgetter
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

import msgspec

from streams.domain.change import Change, Scope
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE
from streams.domain.packed import NO_CHANGE, packed
from streams.domain.windows import EPOCH

try:
    from streams.cdc.scanner import Scanner
except ImportError:  # not compiled: Python reads every event, in three times the time
    Scanner = None  # type: ignore[assignment, misc]  # a class is no variable to the checker
IS_COMPILED = Scanner is not None

_TEXT = 36
_DASHES = (8, 13, 18, 23)
_Identifier = Annotated[str, msgspec.Meta(min_length=_TEXT, max_length=_TEXT)]
_Lsn = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Range of eight bytes: a packed row stores the LSN in eight bytes."""
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_headers_of = attrgetter("headers")
_UNREADABLE = (msgspec.DecodeError, ValueError, OverflowError, RecursionError)
_WITHOUT_FORMER_STATE = "an update without the row's former state"
_REKEYED = frozenset({"__debezium.newkey", "__debezium.oldkey"})


class MalformedEventError(Exception):
    """An event cannot be applied; the message gives a person the reason."""


def hides_former_deal(reason: str) -> bool:
    """Return True for the reason of an event that may have taken its row from another deal, and does not say which.

    A later event of the row tells the row's present deal, but not the former deal, which still counts the row.
    """
    return reason.startswith(_WITHOUT_FORMER_STATE)


class LogRecord(Protocol):
    """The part of a Kafka record that the decoder reads; `streams.engine.Record` has more."""

    @property
    def value(self) -> bytes | None:
        """The event; None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """The record's headers; Debezium marks a changed key by a header."""


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


_NULL = msgspec.Raw(b"null")


class _Source(msgspec.Struct, gc=False):
    ts_ms: int
    lsn: _Lsn | None = None


class _Envelope(msgspec.Struct, gc=False):
    op: Literal["c", "u", "d", "r"]
    source: _Source
    after: _Row | None = None
    before: msgspec.Raw = _NULL


class _Deletion(msgspec.Struct, gc=False):
    before: _Key


_GONE = _Row(id="", tenant_id="", deal_id="", pipeline_id="", pipeline_stage_id="", entered_at=EPOCH)
"""The state of a deleted row. No event has equal content: identifiers in events are never empty."""


class _WithSchema(msgspec.Struct, gc=False):
    payload: msgspec.Raw


class ChangeDecoder:
    """Decodes records to changes in the worker's vocabulary.

    `records_at_once` is the best number of records to decode before folding. Decoded objects should stay in the
    processor's cache, which saves a fifth of the time; packed changes are small, and more of them fit.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._envelope = msgspec.json.Decoder(_Envelope).decode
        self._deletion = msgspec.json.Decoder(_Deletion).decode
        self._vocabulary = vocabulary
        self._stages = _Known(lambda text: vocabulary.stages.code(str(UUID(text))))
        self._scopes = _Known(self._scope)
        self._stages[_GONE.pipeline_stage_id] = GONE
        self._scopes[_GONE.tenant_id, _GONE.pipeline_id] = 0
        self._snapshots: set[int] = set()
        self._scanner = (
            None if Scanner is None else Scanner(self._scope_of, self._stage_of, _is_rekeyed, self._packed)
        )
        self.records_at_once = 256 if self._scanner is None else 4096

    def decode_all(self, records: Sequence[LogRecord]) -> bytes | Iterable[Change] | None:
        """Return the changes in many records, packed or as an iterable to consume once; much faster than `decode`.

        Returns None if a record cannot be applied: the caller finds that record by `decode`.
        """
        if self._scanner is not None:
            try:
                return self._scanner.pack(records, self._snapshots)
            except (MalformedEventError, struct.error):
                return None
        values = [record.value for record in records if record.value is not None]
        if len(values) < len(records):
            records = [record for record in records if record.value is not None]
        try:
            return self._changes(list(map(self._envelope, values)), values, records)
        except _UNREADABLE:
            return None

    def decode(self, record: LogRecord) -> Change | None:
        """Return the change in a record; None for a tombstone.

        Raises MalformedEventError with the reason if the event cannot be applied.
        """
        value = record.value
        if value is None:
            return None
        try:
            payload = self._payload(value)
            return next(self._changes([self._envelope(payload)], [payload], [record]))
        except _UNREADABLE as error:
            raise MalformedEventError(_reason(value, error)) from error

    def drain_snapshots(self) -> set[int]:
        """Return the LSNs of the snapshots met since the last call; rows of an incremental snapshot carry no LSN."""
        drained, self._snapshots = self._snapshots, set()
        return drained

    def _payload(self, value: bytes) -> bytes | msgspec.Raw:
        """Return the event without the schema part that some converters add."""
        if b'"payload"' in value:  # perhaps in a column
            with contextlib.suppress(msgspec.ValidationError):
                return msgspec.json.decode(value, type=_WithSchema).payload
        return value

    def _changes(
        self, events: Sequence[_Envelope], values: Sequence[bytes | msgspec.Raw], records: Sequence[LogRecord]
    ) -> Iterator[Change]:
        rows = [
            event.after
            if event.after is not None and event.op != "d"
            else self._without_state(event.op, value)
            for event, value in zip(events, values, strict=True)
        ]
        if any(event.op == "u" and event.before == _NULL for event in events):
            # The row may have belonged to another deal before, and nothing tells that deal of its loss.
            raise ValueError(f"{_WITHOUT_FORMER_STATE} in `before`: the table lacked REPLICA IDENTITY FULL")
        lsns = [None if event.op == "r" else event.source.lsn for event in events]
        if None in lsns:
            if lsns.count(None) != sum(event.op == "r" for event in events):
                raise ValueError("a streamed change without `source.lsn`")
            self._snapshots.update(
                event.source.lsn for event in events if event.op == "r" and event.source.lsn
            )
        # Column by column: row by row takes half as long again.
        scopes, stages = self._scopes, self._stages
        columns = zip(
            _identifiers([row.deal_id for row in rows]),
            _identifiers([row.id for row in rows]),
            [scopes[row.tenant_id, row.pipeline_id] for row in rows],
            [stages[row.pipeline_stage_id] for row in rows],
            [
                (since := row.entered_at - EPOCH).days * _DAY + since.seconds * _SECOND + since.microseconds
                for row in rows
            ],
            lsns,
            [event.source.ts_ms * 1000 for event in events],
            map(_is_rekeyed, records)
            if any(map(_headers_of, records))
            else repeat(object=False, times=len(records)),
            strict=True,
        )
        return starmap(Change, columns)

    def _without_state(self, op: str, value: bytes | msgspec.Raw) -> _Row:
        """Return the deleted row in an event without `after`."""
        if op != "d":
            raise ValueError(f"operation {op!r} without the row's new state in `after`")
        key = self._deletion(value).before
        return msgspec.structs.replace(_GONE, id=key.id, deal_id=key.deal_id)

    def _scope(self, ids: tuple[str, str]) -> int:
        return self._vocabulary.scopes.code(Scope(*(str(UUID(text)) for text in ids)))

    # Callbacks of the scanner

    def _scope_of(self, tenant_id: bytes, pipeline_id: bytes) -> int:
        return self._vocabulary.scopes.code(Scope(str(UUID(bytes=tenant_id)), str(UUID(bytes=pipeline_id))))

    def _stage_of(self, stage_id: bytes) -> int:
        return self._vocabulary.stages.code(str(UUID(bytes=stage_id)))

    def _packed(self, record: LogRecord) -> bytes:
        change = self.decode(record)
        return NO_CHANGE if change is None else packed(change)


class _Known(dict[Any, int]):
    """Codes of known texts; a new text is checked and brought to canonical form first."""

    def __init__(self, code: Callable[[Any], int]) -> None:
        super().__init__()
        self._code = code

    def __missing__(self, key: Any) -> int:  # noqa: ANN401 - a text, or two
        code = self[key] = self._code(key)
        return code


def _identifiers(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Return the sixteen bytes of each UUID of 36 characters; raises ValueError for any other text."""
    text = "".join(texts).encode()
    dashes = b"-" * len(texts)
    if all(text[place::_TEXT] == dashes for place in _DASHES):
        with contextlib.suppress(ValueError, struct.error):
            return struct.unpack("16s" * len(texts), unhexlify(text.translate(None, b"-")))
    raise ValueError(f"{texts[0]!r} is no UUID" if len(texts) == 1 else "an identifier is no UUID")


def _is_rekeyed(record: LogRecord) -> bool:
    return any(name in _REKEYED for name, _ in record.headers)


def _reason(value: bytes, error: Exception) -> str:
    text = str(error)
    if "Expected `str` of length" in text:
        text += " (an empty identifier in `before` means the table lacks REPLICA IDENTITY FULL)"
    elif b'"op"' not in value and b'"__op"' in value:
        text += " (unwrapped events are refused: run the connector without ExtractNewRecordState)"
    return text
