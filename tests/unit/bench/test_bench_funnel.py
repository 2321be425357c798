import random
from collections import defaultdict
from datetime import date

import pytest

from bench.contenders.funnel import Entries, enter, stages
from bench.envelopes import envelope
from bench.work import Work
from tests.fakes.funnel import Pair, brute_force

WORK = Work(4000)


def test_what_entries_change_adds_up_to_the_answer_whatever_their_order() -> None:
    known = stages(
        [(stage, pipeline.tenant_id, pipeline.id) for pipeline in WORK.pipelines for stage in pipeline.stages]
    )
    events = list(WORK.events)
    for seed in range(3):
        deals: dict[tuple[str, str], Entries] = defaultdict(lambda: [None] * 6)
        counts: dict[Pair, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for event in events:
            row = event.after
            stage = known[row.stage_id]
            at = envelope(0, event).split(b'"after"')[1].split(b'"entered_at":"')[1].split(b'Z"')[0].decode()
            for delta in enter(deals[row.deal_id, at[:10]], stage.place, at) or ():
                pair = stage.pipeline_id, stage.siblings[delta.pair], date.fromisoformat(at[:10])
                entered, converted = counts[pair]
                counts[pair] = entered + delta.entered, converted + delta.converted
        assert {pair: count for pair, count in counts.items() if count[0]} == brute_force(WORK.rows)
        random.Random(seed).shuffle(events)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-10-01T00:00:00", "2026-10-01T00:00:00.1"),
        ("2026-10-01T00:00:00.1", "2026-10-01T00:00:00.11"),
        ("2026-10-01T00:00:00.99", "2026-10-01T00:00:01"),
    ],
)
def test_a_conversion_is_seen_between_instants_with_fractions_of_any_length(earlier: str, later: str) -> None:
    entries: Entries = [None, None]
    enter(entries, 0, earlier)
    assert enter(entries, 1, later) == [(0, 0, 1)]


def test_an_entry_at_the_same_instant_is_no_conversion() -> None:
    entries: Entries = [None, None]
    enter(entries, 0, "2026-10-01T00:00:00.5")
    assert enter(entries, 1, "2026-10-01T00:00:00.5") == []


def test_a_backdated_entry_takes_a_conversion_back() -> None:
    entries: Entries = [None, None]
    enter(entries, 0, "2026-10-01T10:00:00")
    enter(entries, 1, "2026-10-01T11:00:00")
    assert enter(entries, 1, "2026-10-01T09:00:00") == [(0, 0, -1)]
