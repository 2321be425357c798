"""Which pause a program gets that has ended, and when it is given up."""

from datetime import timedelta

import pytest

from streams.backoff import Backoff
from streams.supervising.restarts import MISTAKE, MOST_MISTAKES, STEADY, Restarts

SHORT, KILLED = timedelta(seconds=2), -9


def restarts() -> Restarts:
    """Restarts whose pauses are not shortened by chance."""
    return Restarts(Backoff(timedelta(seconds=1), timedelta(seconds=30), chance=lambda: 0))


def seconds(pause: timedelta | None) -> float | None:
    return None if pause is None else pause.total_seconds()


def test_pauses_double_up_to_half_a_minute_and_never_end() -> None:
    mine = restarts()
    assert [seconds(mine.after(1, SHORT)) for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert all(mine.after(KILLED, SHORT) for _ in range(1000))


def test_a_program_that_ran_for_a_minute_begins_with_the_shortest_pause_again() -> None:
    mine = restarts()
    for _ in range(6):
        mine.after(1, SHORT)
    assert seconds(mine.after(KILLED, STEADY)) == 1
    assert seconds(mine.after(KILLED, SHORT)) == 2


def test_the_pauses_of_two_programs_differ() -> None:
    pauses = [Restarts().after(1, SHORT) for _ in range(20)]
    assert len(set(pauses)) > 10
    assert all(pause and timedelta(seconds=0.5) <= pause <= timedelta(seconds=1) for pause in pauses)


def test_a_mistake_at_the_first_start_is_not_tried_again() -> None:
    assert restarts().after(MISTAKE, SHORT) is None


@pytest.mark.parametrize(
    ("status", "lived"), [(KILLED, SHORT), (MISTAKE, STEADY)], ids=["after a kill", "after a steady run"]
)
def test_a_later_mistake_is_tried_again_but_not_for_ever(status: int, lived: timedelta) -> None:
    mine = restarts()
    assert mine.after(status, lived) is not None
    before = MOST_MISTAKES - (status == MISTAKE)
    pauses = [mine.after(MISTAKE, SHORT) for _ in range(before)]
    assert None not in pauses[:-1]
    assert pauses[-1] is None


def test_mistakes_are_counted_in_a_row() -> None:
    mine = restarts()
    mine.after(KILLED, SHORT)
    for _ in range(3):
        assert None not in [mine.after(MISTAKE, SHORT) for _ in range(MOST_MISTAKES - 1)]
        mine.after(1, SHORT)
