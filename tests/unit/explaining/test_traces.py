"""Traces of suspected deals: the rules of a worker, for the records of a few deals among many."""

import json
from uuid import UUID

from streams.domain.change import Scope
from streams.domain.plan import plan_for
from streams.explaining.evidence import Entry, Trace
from streams.explaining.tracing import Traces
from tests.fakes.envelopes import ROW, SPOILED, FakeRecord, envelope

DEAL, ROW_ID = UUID(str(ROW["deal_id"])), UUID(str(ROW["id"]))
KEY = json.dumps({"deal_id": ROW["deal_id"], "id": ROW["id"]}, separators=(",", ":")).encode()
SCOPE = Scope(str(ROW["tenant_id"]), str(ROW["pipeline_id"]))
STAGE = str(ROW["pipeline_stage_id"])
AT = 1_767_607_200_123_456
ENTRY = Entry(SCOPE, STAGE, AT)
OTHER = {**ROW, "deal_id": "22222222-2222-4222-8222-222222222223"}


def record(value: bytes | None, key: bytes = KEY) -> FakeRecord:
    return FakeRecord(value, key=key)


def followed(*records: FakeRecord) -> list[Trace]:
    traces = Traces([DEAL.bytes], plan_for(("hour",), "UTC"))
    traces.apply(2, records)
    return list(traces.of(DEAL.bytes))


def trace(version: int | None, entry: Entry | None, unreadable: str | None = None) -> Trace:
    return Trace(ROW_ID, 2, KEY, version, entry, unreadable)


def test_the_last_version_of_a_row_stays_and_a_redelivery_changes_nothing() -> None:
    created, deleted = envelope("c", after=ROW, lsn=5), envelope("d", before=ROW, lsn=6)
    assert followed(record(created)) == [trace(5, ENTRY)]
    assert followed(record(created), record(deleted)) == [trace(6, None)]
    assert followed(record(created), record(deleted), record(created)) == [trace(6, None)]
    snapshot = envelope("r", after=ROW, lsn=99)
    assert followed(record(deleted), record(snapshot), record(created)) == [trace(5, ENTRY)]


def test_other_deals_and_tombstones_are_passed_over() -> None:
    assert followed(record(envelope("c", after=OTHER)), record(None)) == []


def test_a_record_that_cannot_be_applied_marks_its_row_until_a_later_record_can() -> None:
    created = envelope("c", after=ROW, lsn=5)
    (found,) = followed(record(created), record(SPOILED))
    assert (found.version, found.entry) == (5, ENTRY)
    assert found.unreadable
    (found,) = followed(record(SPOILED), record(envelope("c", after=OTHER)))
    assert (found.version, found.entry, found.key) == (None, None, KEY)
    restated = record(envelope("c", after=ROW, lsn=7), KEY + b" ")
    assert followed(record(SPOILED), restated) == [trace(7, ENTRY)]
    assert followed(record(SPOILED, b"no key")) == []


def test_an_entry_outside_the_calendar_is_refused_as_a_worker_refuses_it() -> None:
    (found,) = followed(
        record(envelope("c", after=ROW, lsn=5)),
        record(envelope("u", after={**ROW, "entered_at": "9999-12-31T23:59:59Z"}, lsn=6)),
    )
    assert (found.version, found.entry, found.unreadable) == (5, ENTRY, "the entry lies outside the calendar")
