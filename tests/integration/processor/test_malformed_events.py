"""Events that cannot be applied, among thousands that can."""

import json

import pytest

from streams.cdc.envelope import ChangeDecoder, LogRecord
from streams.domain.change import Change
from streams.engine import PartitionRecords
from tests.fakes.envelopes import ROW, FakeRecord, compact, envelope
from tests.integration.processor.conftest import Bench, entered

PLACES = (1, 7, 1500, 2999)


async def test_they_alone_are_refused_and_each_is_healed_by_its_keys_next_event(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[LogRecord] = []
    decode = ChangeDecoder.decode

    def seen(decoder: ChangeDecoder, record: LogRecord) -> Change | None:
        alone.append(record)
        return decode(decoder, record)

    monkeypatch.setattr(ChangeDecoder, "decode", seen)
    owned, processor = bench.processor.owned[0], bench.processor
    bench.apply(*[b"{}" if number in PLACES else entered() for number in range(3000)])
    assert [letter.source_offset for letter in owned.dead_letters] == list(PLACES)
    assert owned.poisoned == {b"key %d" % place for place in PLACES}
    assert processor.changes == len(owned.state.deals) == 2996
    assert len(alone) < 300  # their neighbours, and no others

    alone.clear()
    bench.apply(*[entered() for _ in range(1501)])
    assert owned.superseded == {b"key %d" % place: 3000 + place for place in PLACES[:3]}
    assert owned.poisoned == {b"key 2999"}
    assert len(owned.state.deals) == 2996 + 1501
    assert len(alone) < 300

    alone.clear()
    bench.apply(*[entered() for _ in range(1000)])  # none of them has the key that is left
    assert not alone


async def test_one_and_its_healing_event_may_be_read_together(bench: Bench) -> None:
    owned = bench.processor.owned[0]
    bench.apply(*[entered() for _ in range(100)], b"{}")
    bench.apply(*[b"{}" if number == 50 else entered() for number in range(101)])
    assert owned.poisoned == {b"key 50"}
    assert owned.superseded == {b"key 100": 101 + 100}


async def test_an_update_that_hides_its_former_deal_is_healed_by_no_later_event(bench: Bench) -> None:
    owned = bench.processor.owned[0]
    bench.apply(compact({**json.loads(envelope("u", after=ROW)), "before": None}))
    assert [letter.key for letter in owned.dead_letters] == [b"key 0"]
    bench.apply(entered())
    assert (owned.poisoned, owned.superseded) == (set(), {})


async def test_a_restatement_has_the_key_of_its_row_and_heals_it_too(bench: Bench) -> None:
    owned = bench.processor.owned[0]
    spoiled = FakeRecord(b"{}", 0, b"key 7")
    bench.processor.apply([PartitionRecords(0, [spoiled, FakeRecord(entered(), 1, b"key 7 ")], 2)])
    assert (owned.poisoned, owned.superseded) == (set(), {b"key 7": 1})
    bench.processor.apply([PartitionRecords(0, [FakeRecord(b"{}", 2, b"key 8 ")], 3)])
    assert (owned.poisoned, owned.dead_letters[-1].key) == ({b"key 8"}, b"key 8")
