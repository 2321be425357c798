"""The compiled fold, held to the loop in Python: the same state after every chunk of changes, whatever they say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain import partition
from streams.domain.change import Change, Scope
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE, ROW_SIZE
from streams.domain.packed import NO_CHANGE, packed, unpacked
from streams.domain.partition import Delta, PartitionState
from streams.domain.plan import WindowPlan, plan_for
from streams.domain.windows import to_microseconds
from tests.depth import examples
from tests.fakes.changes import sixteen

try:
    from streams.domain.folding import fold
except ImportError:
    pytest.skip("the fold is not compiled here", allow_module_level=True)

MINUTE = 60_000_000
SCOPES = [Scope("t1", "p1"), Scope("t1", "p2"), Scope("t2", "p1")]
STAGES = "ABCD"
PLANS = [
    plan_for(("1m", "5m"), "UTC"),
    plan_for(("hour", "day", "week", "month"), "America/New_York", {"t2": "Asia/Kathmandu"}),
    plan_for(("month", "15s", "90m"), "Australia/Lord_Howe"),
]


def beside(*instants: datetime) -> list[int]:
    """Each of these and the instants around it, in microseconds."""
    return [to_microseconds(instant) + by for instant in instants for by in (-MINUTE, -1, 0, 1, MINUTE)]


NEW_YORK, KATHMANDU, LORD_HOWE = map(ZoneInfo, ("America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"))
INSTANTS = beside(
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, 0, 5, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=NEW_YORK),
    datetime(2026, 3, 8, 3, tzinfo=NEW_YORK),  # clocks go forward
    datetime(2026, 11, 1, 1, tzinfo=NEW_YORK),  # and back
    datetime(2026, 3, 1, tzinfo=KATHMANDU),
    datetime(2026, 4, 5, 2, tzinfo=LORD_HOWE, fold=1),  # back, by half an hour
)
BEYOND = [to_microseconds(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)), -62_135_596_800_000_000]


def vocabulary() -> Vocabulary:
    made = Vocabulary()
    for scope in SCOPES:
        made.scopes.code(scope)
    for stage in STAGES:
        made.stages.code(stage)
    return made


class StateInPython(PartitionState):
    """A state that is folded in Python, packed changes too."""

    def apply_all(self, changes: bytes | Iterable[Change], *, note: bool = True) -> int:
        return super().apply_all(unpacked(changes) if isinstance(changes, bytes) else changes, note=note)


class Told(StateInPython):
    """A state that says how often Python was asked to fold."""

    asked = 0

    def apply_all(self, changes: bytes | Iterable[Change], *, note: bool = True) -> int:
        self.asked += 1
        return super().apply_all(changes, note=note)


def everything(state: PartitionState) -> dict[str, Any]:
    """Return all that a state holds but where it looks first."""
    return {
        "deals": state.deals,
        "cells": {cell.where: (cell.profiles, cell.moved, cell.note) for cell in state._cells},
        "changed": {cell.where for cell in state._changed},
        "large": {
            deal: {cell.where: first for cell, first in known.items()} for deal, known in state._large.items()
        },
    }


@dataclass
class Twins:
    """A state that is folded in C, and one that is folded in Python."""

    plan: WindowPlan
    vocabulary: Vocabulary = field(default_factory=vocabulary)

    def __post_init__(self) -> None:
        self.compiled = PartitionState(self.plan, self.vocabulary)
        self.python = StateInPython(self.plan, self.vocabulary)

    def apply(self, changes: Sequence[Change], *, note: bool) -> None:
        log = b"".join(map(packed, changes))
        assert self._fold(log, note=note) == self._loop(log, note=note)
        assert everything(self.compiled) == everything(self.python)

    def drain(self, *, in_vain: bool = False) -> None:
        delta: Delta = self.compiled.drain()
        assert delta == self.python.drain()
        if in_vain:
            self.compiled.give_back(delta)
            self.python.give_back(delta)

    def _fold(self, log: bytes, *, note: bool) -> int | str:
        try:
            return fold(self.compiled, log, note=note)
        except OverflowError as error:
            return str(error)

    def _loop(self, log: bytes, *, note: bool) -> int | str:
        try:
            return self.python.apply_all(log, note=note)
        except OverflowError as error:
            return str(error)


@dataclass(frozen=True)
class Few:
    """Of how few things a log tells: the fewer, the more often they meet."""

    deals: int
    rows: int
    instants: Sequence[int]
    deletions: float = 0.1
    beyond: float = 0.02


def changes_of(few: Few, random: Random) -> Change:
    deal = random.randrange(few.deals)
    row = random.randrange(few.rows)
    gone = random.random() < few.deletions
    at = random.choice(few.instants) if random.random() >= few.beyond else random.choice(BEYOND)
    return Change(
        sixteen(f"deal {deal}"),
        sixteen(f"row {deal} {row}"),
        0 if gone else random.randrange(len(SCOPES)),
        GONE if gone else random.randrange(len(STAGES)),
        0 if gone else at,
        None if random.random() < 0.1 else random.randrange(200),
        random.choice(few.instants),
        rekeyed=random.random() < 0.2,
    )


def apply_at_random(plan: WindowPlan, few: Few, count: int, random: Random) -> None:
    """Apply a log of random changes to both, in chunks of any size, with flushes and redeliveries between them."""
    twins = Twins(plan)
    log = [changes_of(few, random) for _ in range(count)]
    for _ in range(random.randrange(10)):
        begin = random.randrange(len(log))
        log[begin:begin] = log[max(0, begin - 5) : begin]
    while log:
        size = random.choice((1, 2, 5, 30, 300))
        chunk, log = log[:size], log[size:]
        twins.apply(chunk, note=random.random() < 0.8)
        if random.random() < 0.3:
            twins.drain(in_vain=random.random() < 0.5)
    assert twins.compiled.profiles() == twins.python.profiles()
    twins.drain()


@given(st.sampled_from(PLANS), st.randoms(use_true_random=True))
@settings(max_examples=examples(60), deadline=None)
def test_few_rows_that_change_often_are_folded_as_in_python(plan: WindowPlan, random: Random) -> None:
    near = random.sample(INSTANTS, 6)
    apply_at_random(plan, Few(deals=2, rows=3, instants=near), 120, random)


@given(st.sampled_from(PLANS), st.randoms(use_true_random=True))
@settings(max_examples=examples(30), deadline=None)
def test_many_rows_are_folded_as_in_python(plan: WindowPlan, random: Random) -> None:
    apply_at_random(plan, Few(deals=20, rows=12, instants=INSTANTS), 300, random)


@given(st.sampled_from(PLANS), st.randoms(use_true_random=True))
@settings(max_examples=examples(12), deadline=None)
def test_deals_grow_large_as_in_python(plan: WindowPlan, random: Random) -> None:
    """From 64 rows on the first entries of a deal are kept, which only Python does."""
    apply_at_random(plan, Few(1, 70, INSTANTS[:15], deletions=0.05, beyond=0), 300, random)


@pytest.mark.parametrize("rows", range(61, 68))
def test_a_deal_is_large_from_the_same_row_on(rows: int) -> None:
    twins = Twins(PLANS[0])
    made = [
        Change(b"d" * 16, sixteen(str(row)), 0, row % len(STAGES), row * MINUTE, row + 1, 0)
        for row in range(rows)
    ]
    twins.apply(made, note=True)
    assert bool(twins.compiled._large) is (rows * ROW_SIZE > partition.LARGE)


ENTRY = Change(b"d" * 16, b"r" * 16, 0, 0, 10, 5, 0)


@pytest.mark.parametrize("note", [False, True])
def test_a_new_row_is_noted_as_in_python(note: bool) -> None:
    instants = (-1, 0, MINUTE - 1, MINUTE, MINUTE + 1, 5 * MINUTE)
    for committed_at, lsn, rekeyed in product(instants, (None, 7), (False, True)):
        twins = Twins(PLANS[0])
        twins.apply([ENTRY._replace(committed_at=committed_at, lsn=lsn, rekeyed=rekeyed)], note=note)
        twins.drain()


SAYS: list[dict[str, Any]] = [
    {},
    {"lsn": 4},
    {"lsn": 6},
    {"lsn": None},
    {"lsn": 6, "stage": 1},
    {"lsn": 6, "scope": 1},
    {"lsn": 6, "at": 11},
    {"lsn": 6, "stage": GONE, "at": 0, "scope": 0},
    {"row_id": b"s" * 16},
    {"row_id": b"r" * 15 + b"s"},
    {"row_id": b"s" * 16, "at": 9},
    {"row_id": b"s" * 16, "stage": 1},
    {"row_id": b"s" * 16, "stage": 1, "at": 11},
    {"row_id": b"s" * 16, "stage": 1, "at": 9},
    {"row_id": b"s" * 16, "stage": 1, "at": MINUTE},
    {"row_id": b"s" * 16, "stage": 1, "scope": 1},
    {"row_id": b"s" * 16, "stage": GONE, "at": 0, "scope": 0},
    {"deal_id": b"e" * 16},
]
"""What a change may say, where all else is as in ENTRY."""


@pytest.mark.parametrize("second", SAYS)
def test_three_changes_are_folded_as_in_python(second: dict[str, Any]) -> None:
    late = ENTRY._replace(committed_at=MINUTE)
    logs = [[ENTRY, late._replace(**second), late._replace(**third)] for third in SAYS]
    for log, size in product(logs, (1, 3)):
        twins = Twins(PLANS[0])
        for place in range(0, len(log), size):
            twins.apply(log[place : place + size], note=True)
        twins.drain()


@pytest.mark.parametrize("beyond", BEYOND)
def test_an_entry_outside_the_calendar_stops_both_at_the_same_change(beyond: int) -> None:
    twins = Twins(PLANS[1])
    others = [ENTRY._replace(row_id=sixteen(str(number)), at=number * MINUTE) for number in range(5)]
    twins.apply([*others[:3], ENTRY._replace(at=beyond), *others[3:]], note=True)
    assert len(twins.compiled.deals[ENTRY.deal_id]) == 3 * ROW_SIZE


def test_what_nearly_every_change_is_is_folded_without_python() -> None:
    state = Told(PLANS[0], vocabulary())
    new = [ENTRY._replace(row_id=sixteen(str(row)), at=row * MINUTE, lsn=row) for row in range(64)]
    again = [change._replace(lsn=100) for change in new[:63]]
    older = [change._replace(lsn=0, stage=1) for change in new[:63]]
    log = [*new[:63], *again, *older, new[63], ENTRY._replace(deal_id=b"e" * 16, lsn=None)]
    assert fold(state, NO_CHANGE + b"".join(map(packed, log)) + NO_CHANGE, note=True) == 65
    assert state.asked == 0


def test_packed_changes_are_folded_in_c_where_that_is_compiled() -> None:
    assert vars(partition)["fold"] is fold


def test_only_bytes_are_folded() -> None:
    state = PartitionState(PLANS[0], vocabulary())
    for wrong in (None, bytearray(NO_CHANGE), [ENTRY]):
        with pytest.raises(TypeError):
            fold(state, wrong, note=True)  # type: ignore[arg-type]  # that is the point
    assert fold(state, b"", note=True) == 0


int64 = st.integers(-(2**63), 2**63 - 1)
changes = st.builds(
    Change,
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    int64,
    st.none() | int64,
    int64,
    st.booleans(),
)


@given(st.lists(changes))
def test_changes_come_out_of_the_package_as_they_were(made: list[Change]) -> None:
    assert list(unpacked(NO_CHANGE + NO_CHANGE.join(map(packed, made)) + NO_CHANGE)) == made
