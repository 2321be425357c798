from datetime import UTC, datetime, timedelta

from streams.completeness.barrier import Barrier
from streams.domain.proof import OpenTransaction
from streams.domain.windows import Window

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIRST, SECOND = Window("1m", 0, 60), Window("1m", 60, 120)


def writers(*names: str, age: float | None = 9.0) -> dict[str, OpenTransaction]:
    return {name: OpenTransaction(name, 7, None, None, None, age) for name in names}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_window_passes_at_once_when_nobody_is_writing() -> None:
    assert Barrier(timedelta(seconds=60)).cleared(NOON, {}, [FIRST]) == ([FIRST], [])


def test_a_window_waits_for_those_who_had_written_when_it_fell_due() -> None:
    barrier = Barrier(timedelta(seconds=60))
    assert barrier.cleared(NOON, writers("a", "b"), [FIRST]) == ([], [])
    assert barrier.cleared(at(1), writers("b"), [FIRST]) == ([], [])
    assert barrier.cleared(at(2), {}, [FIRST]) == ([FIRST], [])
    assert barrier.waited == 2
    barrier.cleared(at(60), {}, [SECOND])
    assert barrier.waited == 0


def test_whoever_starts_writing_later_holds_nothing_back() -> None:
    barrier = Barrier(timedelta(seconds=60))
    barrier.cleared(NOON, writers("a"), [FIRST])
    assert barrier.cleared(at(1), writers("late"), [FIRST]) == ([FIRST], [])


def test_past_the_longest_wait_the_window_passes_and_the_transaction_is_named() -> None:
    barrier = Barrier(timedelta(seconds=60))
    barrier.cleared(NOON, writers("a", "b"), [FIRST])
    assert barrier.cleared(at(59), writers("a"), [FIRST]) == ([], [])
    assert barrier.cleared(at(60), writers("a"), [FIRST]) == ([FIRST], list(writers("a").values()))


def test_each_window_waits_for_its_own_writers() -> None:
    barrier = Barrier(timedelta(seconds=600))
    barrier.cleared(NOON, writers("a"), [FIRST])
    assert barrier.cleared(at(60), writers("a", "b"), [FIRST, SECOND]) == ([], [])
    assert barrier.cleared(at(61), writers("b"), [FIRST, SECOND]) == ([FIRST], [])
    assert barrier.cleared(at(62), {}, [SECOND]) == ([SECOND], [])


def test_it_names_who_is_waited_for_now() -> None:
    barrier = Barrier(timedelta(seconds=60))
    barrier.cleared(NOON, writers("a", "b"), [FIRST])
    assert [each.virtual_id for each in barrier.waiting_for(writers("b", "late"))] == ["b"]


def test_a_transaction_whose_age_the_source_does_not_tell_is_as_old_as_the_wait_for_it() -> None:
    barrier = Barrier(timedelta(seconds=60))
    barrier.cleared(NOON, writers("a", age=None), [FIRST])
    holders = writers("a", "late", age=None)
    barrier.cleared(at(50), holders, [FIRST, SECOND])
    assert [each.age for each in barrier.waiting_for(holders)] == [50, 0]
    _, still_open = barrier.cleared(at(60), holders, [FIRST, SECOND])
    assert [each.age for each in still_open] == [60]
    assert [each.age for each in barrier.waiting_for(writers("a"))] == [9]
