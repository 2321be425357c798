from datetime import UTC, datetime

import pytest

from bench.envelopes import envelope, key
from bench.work import PARTITIONS, Event, Row, Work, partition_of

WORK = Work(3000)


def encoded(work: Work) -> list[tuple[bytes, bytes]]:
    return [(key(event.after), envelope(number, event)) for number, event in enumerate(work.events)]


def test_the_same_size_and_seed_give_the_same_work_to_the_byte() -> None:
    assert encoded(Work(3000)) == encoded(WORK)


def test_another_seed_gives_other_work() -> None:
    assert not set(encoded(Work(3000, seed=8))) & set(encoded(WORK))


@pytest.mark.parametrize("size", [0, 1, 17, 3000])
def test_there_are_as_many_events_as_asked_for(size: int) -> None:
    assert len(Work(size).events) == size


def test_events_are_in_the_order_of_their_commits() -> None:
    commits = [event.at for event in WORK.events]
    assert commits == sorted(commits)


def test_an_update_follows_the_insert_of_its_row_and_changes_nothing_but_its_exit() -> None:
    rows: dict[str, Row] = {}
    for event in WORK.events:
        assert event.before == rows.get(event.after.id)
        if event.before:
            assert event.before.exited_at is None
            assert event.after.exited_at is not None
            assert (event.before.stage_id, event.before.entered_at) == (
                event.after.stage_id,
                event.after.entered_at,
            )
        rows[event.after.id] = event.after
    assert WORK.rows == list(rows.values())


def test_the_work_has_what_makes_it_hard() -> None:
    """Backdated entries, stages entered again, deals over several days, all pipelines."""
    assert any(event.after.entered_at < event.at for event in WORK.events if event.before is None)
    stays = [(row.deal_id, row.stage_id) for row in WORK.rows]
    assert len(set(stays)) < len(stays)
    assert {row.pipeline.id for row in WORK.rows} == {pipeline.id for pipeline in WORK.pipelines}
    assert {event.before is None for event in WORK.events} == {True, False}


def test_a_deal_is_in_one_partition_and_every_partition_has_deals() -> None:
    places = {(row.deal_id, partition_of(row)) for row in WORK.rows}
    assert len(places) == len({deal for deal, _ in places})
    assert {place for _, place in places} == set(range(PARTITIONS))


@pytest.mark.parametrize(
    ("microsecond", "expected"),
    [
        (0, b'"entered_at":"2026-10-02T03:04:05Z"'),
        (120_000, b'"entered_at":"2026-10-02T03:04:05.12Z"'),
        (1, b'"entered_at":"2026-10-02T03:04:05.000001Z"'),
    ],
)
def test_instants_are_written_as_debezium_writes_them(microsecond: int, expected: bytes) -> None:
    moment = datetime(2026, 10, 2, 3, 4, 5, tzinfo=UTC)
    entered = int(moment.timestamp()) * 1_000_000 + microsecond
    row = Row("id", "deal", WORK.pipelines[0], WORK.pipelines[0].stages[0], entered)
    assert expected in envelope(0, Event(entered, None, row))
