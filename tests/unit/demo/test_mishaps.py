"""What goes wrong in the story, and the past before it."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import pytest

from streams.demo.business import Stage
from streams.demo.mishaps import CALM, CAUGHT_UP, LATE, LENGTH, LOST
from streams.demo.plan import TICK, Plan
from streams.demo.writes import DELETES, INSERTS, Transaction

BEGIN = 7.0
PAST = 60.0


def story(seed: int = 1, rate: float = 200, seconds: float = 60) -> Iterator[tuple[float, Transaction]]:
    """Yield the committed transactions of a CRM with a past, each with its time since the past."""
    plan = Plan(seed, rate)
    plan.past(PAST)
    for number, transactions in enumerate(islice(plan.ticks(BEGIN), int(seconds / TICK))):
        for transaction in transactions:
            if not transaction.rolls_back:
                yield number * TICK, transaction


def entries(stage: Stage, since: float, until: float) -> int:
    """Count the ordinary entries into a stage between two seconds of the story."""
    return sum(
        write.kind == "enter" and write.row.stage_id == stage.id
        for at, transaction in story()
        if since <= at < until
        for write in transaction.writes
    )


def test_most_leads_are_lost_until_the_first_whole_window_has_ended() -> None:
    qualified = LOST.stages[1]
    calm = entries(qualified, BEGIN + LENGTH, BEGIN + 2 * LENGTH)
    assert entries(qualified, CALM, BEGIN + LENGTH) < 0.2 * calm
    assert calm > 30


@pytest.mark.parametrize("seed", range(3))
def test_late_moves_come_at_once_with_their_true_times(seed: int) -> None:
    """The moves of the second whole window are written four seconds after the window's end."""
    quote, (begin, end) = LATE.stages[1], (BEGIN + LENGTH, BEGIN + 2 * LENGTH)
    late: dict[UUID, float] = {}
    for at, transaction in story(seed):
        for write in transaction.writes:
            if write.row.pipeline_id == LATE.id and write.kind == "enter" and begin <= at < end:
                assert write.row.stage_id != quote.id
            if (
                write.kind == "late_insert"
                and write.row.stage_id == quote.id
                and write.back < LENGTH + CAUGHT_UP
            ):
                assert at == pytest.approx(end + CAUGHT_UP, abs=2 * TICK)
                late.setdefault(write.row.deal_id, at - write.back)
    assert len(late) > 10
    assert begin - TICK <= min(late.values())
    assert max(late.values()) < end


@pytest.mark.parametrize("seed", range(3))
def test_every_write_of_the_story_finds_its_row(seed: int) -> None:
    plan = Plan(seed, 100)
    there = {each.row.id for each in plan.past(PAST)}
    for transactions in islice(plan.ticks(BEGIN), int(60 / TICK)):
        for transaction in transactions:
            for write in transaction.writes:
                assert (write.row.id in there) == (write.kind not in INSERTS)
                if transaction.rolls_back:
                    continue
                if write.kind in DELETES:
                    there.remove(write.row.id)
                else:
                    there.add(write.row.id)


def test_a_crm_that_stalls_writes_the_late_moves_after_the_same_window_with_their_true_times() -> None:
    """The CRM stalls for 5 s in the middle of the second whole window, so in the plan the window ends 5 s sooner."""
    plan, behind = Plan(1, 200), 0.0
    plan.past(PAST)
    caught_up: list[tuple[float, list[float]]] = []
    for number, transactions in enumerate(islice(plan.ticks(BEGIN), int(50 / TICK))):
        at = number * TICK + behind
        for transaction in transactions:
            late = [at - write.back for write in transaction.writes if write.kind == "late_insert"]
            if len(late) > 2:  # an ordinary correction writes two rows
                caught_up.append((at, late))
        if not behind and at >= BEGIN + 1.5 * LENGTH:
            behind = 5.0
            plan.fall_behind(behind)
    ((at, entered),) = caught_up
    assert at == pytest.approx(BEGIN + 2 * LENGTH + CAUGHT_UP, abs=2 * TICK)
    before = [each for each in entered if each < BEGIN + 1.5 * LENGTH + TICK]
    assert len(before) > 10
    assert not [each for each in entered if BEGIN + 1.5 * LENGTH + TICK < each < BEGIN + 1.5 * LENGTH + 5]
    assert min(entered) < BEGIN + LENGTH + 1


def test_a_past_is_an_ordinary_business_and_nothing_of_it_is_corrected() -> None:
    plan = Plan(1, 400)
    past = plan.past(PAST)
    assert all(0 < each.entered_ago <= PAST for each in past)
    assert all(each.left_ago is None or each.left_ago < each.entered_ago for each in past)
    assert len(past) == pytest.approx(
        0.6 * 100 * PAST, rel=0.1
    )  # two writes in five are exits; 100 rows a second
    old = {each.row.id for each in past}
    kinds = Counter(
        write.kind
        for transactions in islice(plan.ticks(), int(45 / TICK))
        for transaction in transactions
        if not transaction.rolls_back
        for write in transaction.writes
        if write.row.id in old
    )
    assert set(kinds) == {"exit"}


def test_the_same_seed_gives_the_same_story() -> None:
    assert list(story(3)) == list(story(3))
