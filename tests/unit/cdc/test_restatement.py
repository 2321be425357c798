"""Restatements: Debezium's form, the row's own key, and a version below which nothing is newer."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from streams.cdc.envelope import ChangeDecoder
from streams.cdc.restatement import RowKey, SourceRow, own_key, parse_key, restate
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE
from streams.domain.partition import PartitionState
from streams.domain.plan import plan_for
from streams.domain.profile import deals_in
from tests.fakes.envelopes import ROW, FakeRecord, compact, envelope

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = compact({"deal_id": ROW["deal_id"], "id": ROW["id"]})
LATER_STAGE = "cccccccc-0000-4000-8000-000000000002"
IDS = {name: UUID(ROW[name]) for name in ("id", "tenant_id", "deal_id", "pipeline_id")}


def row(
    stage: str = LATER_STAGE, deal: object = ROW["deal_id"], at: str = "2026-01-05T10:30:00.000000Z"
) -> SourceRow:
    return SourceRow(**{**IDS, "deal_id": UUID(str(deal))}, pipeline_stage_id=UUID(stage), entered_at=at)


class Fold:
    """A state, told of events in their order."""

    def __init__(self) -> None:
        self.vocabulary = Vocabulary()
        self.state = PartitionState(plan_for(("hour",), "UTC"), self.vocabulary)

    def apply(self, value: bytes) -> bool:
        change = ChangeDecoder(self.vocabulary).decode(FakeRecord(value))
        assert change is not None
        return self.state.apply(change)

    def stages(self) -> dict[str, int]:
        """Return how many deals entered each stage."""
        return {
            key.from_stage: deals_in(profile)
            for key, profile in self.state.profiles().items()
            if key.from_stage == key.to_stage
        }


def entered(stage: object, lsn: int | None, op: str = "u") -> bytes:
    return envelope(op, after={**ROW, "pipeline_stage_id": stage}, lsn=lsn)


def test_a_row_counts_as_the_source_has_it() -> None:
    fold = Fold()
    fold.apply(entered(ROW["pipeline_stage_id"], 100, "c"))
    assert fold.apply(restate(0, KEY, row(), 200, AT).value)
    assert fold.stages() == {LATER_STAGE: 1}


@pytest.mark.parametrize("now", [None, row(deal="22222222-2222-4222-8222-222222222223")])
def test_a_row_that_is_gone_or_belongs_to_another_deal_is_gone_from_the_deal_of_the_key(
    now: SourceRow | None,
) -> None:
    fold = Fold()
    fold.apply(entered(ROW["pipeline_stage_id"], 100, "c"))
    assert fold.apply(restate(0, KEY, now, 200, AT).value)
    assert fold.stages() == {}


def test_nothing_newer_is_replaced_and_everything_newer_replaces_a_restatement() -> None:
    fold = Fold()
    fold.apply(entered(ROW["pipeline_stage_id"], 300))
    assert not fold.apply(restate(0, KEY, row(), 200, AT).value)
    assert not fold.apply(restate(0, KEY, None, 200, AT).value)
    assert fold.stages() == {ROW["pipeline_stage_id"]: 1}
    fold.apply(restate(0, KEY, row(), 400, AT).value)
    assert not fold.apply(entered(ROW["pipeline_stage_id"], 399))  # a redelivery
    assert fold.apply(entered(ROW["pipeline_stage_id"], 401))
    assert fold.stages() == {ROW["pipeline_stage_id"]: 1}


def test_a_row_read_by_the_snapshot_is_older() -> None:
    fold = Fold()
    fold.apply(entered(ROW["pipeline_stage_id"], None, "r"))
    assert fold.apply(restate(0, KEY, row(), 1, AT).value)
    assert fold.stages() == {LATER_STAGE: 1}


def test_the_key_of_a_restatement_is_the_row_s_own_key_to_every_reader() -> None:
    assert own_key(KEY + b" ") == own_key(KEY) == KEY
    assert own_key(None) is None
    assert json.loads(KEY + b" ") == json.loads(KEY)
    assert parse_key(KEY) == parse_key(KEY + b" ") == RowKey(IDS["deal_id"], IDS["id"])


@pytest.mark.parametrize("key", [None, b"", b"x", b"{}", b'{"id": "1", "deal_id": "2"}', b"[]"])
def test_a_key_that_names_no_row_is_refused(key: bytes | None) -> None:
    assert parse_key(key) is None
    with pytest.raises(ValueError, match="names no row"):
        restate(0, key or b"", row(), 1, AT)


def test_a_key_with_its_schema_names_the_row() -> None:
    assert parse_key(compact({"schema": {}, "payload": json.loads(KEY)})) == RowKey(IDS["deal_id"], IDS["id"])


def test_a_deletion_says_so() -> None:
    change = ChangeDecoder(Vocabulary()).decode(FakeRecord(restate(0, KEY, None, 7, AT).value))
    assert change is not None
    assert (change.stage, change.lsn, change.committed_at) == (GONE, 7, int(AT.timestamp()) * 1_000_000)
