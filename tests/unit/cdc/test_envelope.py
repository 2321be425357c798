import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cdc.envelope import ChangeDecoder, MalformedEventError
from streams.domain.change import Change, Scope
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE
from streams.domain.packed import unpacked
from tests.fakes.envelopes import ROW, FakeRecord, envelope

VOCABULARY = Vocabulary()
SCOPE = VOCABULARY.scopes.code(Scope(str(ROW["tenant_id"]), str(ROW["pipeline_id"])))
STAGE = VOCABULARY.stages.code(str(ROW["pipeline_stage_id"]))
DEAL, ROW_ID = UUID(str(ROW["deal_id"])).bytes, UUID(str(ROW["id"])).bytes


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test reads its events twice: in C, where that was compiled, and in Python alone."""
    if request.param == "interpreted":
        monkeypatch.setattr("streams.cdc.envelope.Scanner", None)
    elif ChangeDecoder(VOCABULARY)._scanner is None:
        pytest.skip("the scanner is not compiled here")


def decode(value: bytes | None, *headers: str) -> Change | None:
    """Decode as the processor does: many at once where that is possible, and what is left alone."""
    record = FakeRecord(value, headers=[(name, b"") for name in headers])
    decoder = ChangeDecoder(VOCABULARY)
    changes = decoder.decode_all([record])
    if changes is None:
        return decoder.decode(record)
    columns = next(iter(unpacked(changes) if isinstance(changes, bytes) else changes), None)
    return None if columns is None else Change(*columns)


def refusal(value: bytes) -> str:
    with pytest.raises(MalformedEventError) as refused:
        decode(value)
    return str(refused.value)


@pytest.mark.parametrize("op", ["c", "u"])
def test_an_insert_or_update_says_what_the_row_is_now(op: str) -> None:
    change = decode(envelope(op, after=ROW))
    at = 1_767_607_200_123_456
    assert change == Change(DEAL, ROW_ID, SCOPE, STAGE, at, 24_790_896, 1_795_436_911_519_000)


def test_a_snapshot_row_has_no_version() -> None:
    change = decode(envelope("r", after=ROW))
    assert change is not None
    assert change.lsn is None


def test_the_positions_of_snapshots_are_told_once_and_no_others() -> None:
    decoder = ChangeDecoder(VOCABULARY)
    rows = [envelope("r", after=ROW, lsn=lsn) for lsn in (7, 7, 9, None)]
    decoder.decode_all([FakeRecord(value) for value in (*rows, envelope("c", after=ROW, lsn=8))])
    assert decoder.drain_snapshots() == {7, 9}
    assert decoder.drain_snapshots() == set()


def test_a_delete_says_which_row_of_which_deal_is_gone() -> None:
    change = decode(envelope("d", before=ROW))
    assert change is not None
    assert (change.deal_id, change.row_id, change.stage) == (DEAL, ROW_ID, GONE)


def test_a_tombstone_is_nothing_new() -> None:
    assert decode(None) is None


def test_a_changed_key_is_seen_in_the_headers_of_both_halves() -> None:
    gone = decode(envelope("d", before=ROW), "__debezium.newkey")
    come = decode(envelope("c", after=ROW), "__debezium.context.taskId", "__debezium.oldkey")
    assert gone is not None
    assert come is not None
    assert (gone.rekeyed, come.rekeyed) == (True, True)


def test_the_schema_part_may_be_there() -> None:
    plain = envelope("c", after=ROW)
    wrapped = json.dumps({"schema": {"type": "struct"}, "payload": json.loads(plain)}).encode()
    assert decode(wrapped) == decode(plain)


def test_columns_that_are_not_needed_may_come_and_go() -> None:
    row: dict[str, Any] = {**ROW, "note": "__debezium_unavailable_value", "price": 1.5}
    del row["exited_at"]
    assert decode(envelope("c", after=row)) == decode(envelope("c", after=ROW))


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_instants_are_exact_to_the_microsecond(text: str, microseconds: int) -> None:
    change = decode(envelope("c", after={**ROW, "entered_at": text}))
    assert change is not None
    assert change.at == microseconds


@pytest.mark.parametrize(
    "text", ["infinity", "-infinity", "0044-03-15T00:00:00Z BC", "+12345-01-01T00:00:00Z", "", None, 0]
)
def test_an_instant_outside_the_calendar_is_refused_with_its_place(text: object) -> None:
    assert "entered_at" in refusal(envelope("c", after={**ROW, "entered_at": text}))


def test_an_instant_without_offset_is_refused() -> None:
    assert "timezone" in refusal(envelope("c", after={**ROW, "entered_at": "2026-01-05T10:00:00"}))


@pytest.mark.parametrize(
    "column", ["id", "tenant_id", "deal_id", "pipeline_id", "pipeline_stage_id", "entered_at"]
)
def test_a_missing_column_is_named(column: str) -> None:
    row = {name: value for name, value in ROW.items() if name != column}
    assert column in refusal(envelope("c", after=row))


@pytest.mark.parametrize("column", ["id", "tenant_id", "deal_id", "pipeline_id", "pipeline_stage_id"])
@pytest.mark.parametrize("text", ["g" * 36, "a" * 36, " " * 36, "00000000-0000-4000-8000-00000000000"])
def test_what_is_no_uuid_is_refused_before_postgres_would(column: str, text: str) -> None:
    assert refusal(envelope("c", after={**ROW, column: text}))


def test_a_uuid_may_be_written_in_capitals() -> None:
    shouted = {name: value.upper() if name.endswith("id") and value else value for name, value in ROW.items()}
    assert decode(envelope("c", after=shouted)) == decode(envelope("c", after=ROW))


def test_a_delete_without_the_old_row_names_the_replica_identity() -> None:
    assert "REPLICA IDENTITY FULL" in refusal(envelope("d", before={**ROW, "deal_id": ""}))


@pytest.mark.parametrize("before", [b'"before":null,', b""])
def test_an_update_without_the_old_row_names_the_replica_identity(before: bytes) -> None:
    update = envelope("u", after=ROW)
    begin, end = update.index(b'"before"'), update.index(b'"after"')
    assert "REPLICA IDENTITY FULL" in refusal(update[:begin] + before + update[end:])


def test_an_unwrapped_event_names_the_transformation() -> None:
    assert "ExtractNewRecordState" in refusal(json.dumps({**ROW, "__op": "c"}).encode())


@pytest.mark.parametrize("op", ["t", "m", "x", ""])
def test_an_unknown_operation_is_named(op: str) -> None:
    assert repr(op) in refusal(envelope(op, after=ROW))


def test_a_streamed_change_without_lsn_is_refused() -> None:
    assert "lsn" in refusal(envelope("c", after=ROW, lsn=None))


@pytest.mark.parametrize("lsn", [2**63, -(2**63) - 1, 10**30])
def test_an_lsn_that_no_row_can_keep_is_refused(lsn: int) -> None:
    assert "lsn" in refusal(envelope("c", after=ROW, lsn=lsn))


@pytest.mark.parametrize("value", [b'{"note":' + b"[" * 100_000, b'{"payload":' + b'{"a":' * 100_000])
def test_what_lies_too_deep_is_refused(value: bytes) -> None:
    assert "depth" in refusal(value)


@pytest.mark.parametrize(
    "value", [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"1", b'{"payload": 1}', b'{"payload": {}}']
)
def test_what_is_no_event_at_all_is_refused(value: bytes) -> None:
    assert refusal(value)


characters = st.characters(exclude_categories=["Cs"])  # as by default, but found out in a tenth of the time


@given(st.binary(max_size=200) | st.text(characters, max_size=200).map(str.encode))
def test_no_bytes_raise_anything_but_a_refusal(value: bytes) -> None:
    with pytest.raises(MalformedEventError):
        decode(value)
