"""What a deal contributes to a window's counts, and the counts of many deals.

A deal's *first entry* into a stage within a window is the earliest `entered_at` of its rows for that stage that
lies in the window. A deal *entered* every stage it has a first entry for, and *converted* from a to b when its
first entry into b is strictly later than its first entry into a.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from streams.domain.change import Scope
from streams.domain.deal import GONE
from streams.domain.windows import Window

_SHIFT = 32


class WindowScope(NamedTuple):
    """One window of one tenant's pipeline: what a run reports on."""

    scope: Scope
    window: Window


class TallyKey(NamedTuple):
    """One count: deals that made the step `from_stage` to `to_stage`, or entered it where both are the same."""

    where: WindowScope
    from_stage: str
    to_stage: str


@dataclass(slots=True)
class ChangeNote:
    """Why a window's counts changed after its end: kinds of change, and the range of LSNs that made them."""

    causes: set[str]
    lowest_lsn: int
    highest_lsn: int

    def merge(self, other: "ChangeNote") -> None:
        """Widen the note by another."""
        self.causes |= other.causes
        self.lowest_lsn = min(self.lowest_lsn, other.lowest_lsn)
        self.highest_lsn = max(self.highest_lsn, other.highest_lsn)


class Cell:
    """The counts of one window of one pipeline in one partition. Steps are numbers: see `step`.

    `moved` says by how much steps moved since they were last added to `counts`; its steps, also those that moved by
    nothing, are those to be written.
    """

    __slots__ = ("counts", "end", "moved", "note", "scope", "start", "where")

    def __init__(self, where: WindowScope, scope: int) -> None:
        self.where = where
        self.scope = scope
        self.start = where.window.start
        self.end = where.window.end
        self.counts: dict[int, int] = {}
        self.moved: dict[int, int] = {}
        self.note: ChangeNote | None = None

    def enter(self, first: Mapping[int, int], stage: int, at: int) -> bool:
        """Count one more entry of a deal; return whether that changed a count.

        `first` are the deal's first entries in this window before it.
        """
        earliest = first.get(stage)
        if earliest is not None:
            return at < earliest and self.move(contribution(first), contribution({**first, stage: at}))
        # The difference between the two contributions, added up without building sets.
        moved = self.moved
        entered = stage << _SHIFT | stage
        moved[entered] = moved.get(entered, 0) + 1
        for other, other_at in first.items():
            if other_at != at:
                number = other << _SHIFT | stage if other_at < at else stage << _SHIFT | other
                moved[number] = moved.get(number, 0) + 1
        return True

    def move(self, before: set[int], after: set[int]) -> bool:
        """Replace one deal's contribution by another; return whether they differ."""
        moved = self.moved
        for number in before - after:
            moved[number] = moved.get(number, 0) - 1
        for number in after - before:
            moved[number] = moved.get(number, 0) + 1
        return before != after

    def mark(self, step_number: int) -> None:
        """Have a step written, though it did not move."""
        self.moved.setdefault(step_number, 0)

    def settle(self) -> dict[int, int]:
        """Return the counts as they are now."""
        counts, moved = self.counts, self.moved
        for number, by in moved.items():
            counts[number] = counts.get(number, 0) + by
            moved[number] = 0
        return counts

    def drain(self) -> dict[int, int]:
        """Return the counts to be written, and regard them as written."""
        counts = self.settle()
        drained = {number: counts[number] for number in self.moved}
        self.moved = {}
        return drained

    def add_note(self, note: ChangeNote) -> None:
        """Note why the counts changed after the window's end."""
        if self.note is None:
            self.note = note
        else:
            self.note.merge(note)


def step(from_stage: int, to_stage: int) -> int:
    """Return the number of a step between two stage codes."""
    return from_stage << _SHIFT | to_stage


def stages_of(step_number: int) -> tuple[int, int]:
    """Return the two stage codes of a step's number."""
    return step_number >> _SHIFT, step_number & 0xFFFFFFFF


def first_entries(rows: Iterable[tuple[int, int, int, int]], cell: Cell) -> dict[int, int]:
    """Return per stage code the earliest entry of one deal within the cell's window; deleted rows do not count."""
    scope, start, end = cell.scope, cell.start, cell.end
    first: dict[int, int] = {}
    for _, at, row_scope, stage in rows:
        if start <= at < end and row_scope == scope and stage != GONE:
            earliest = first.get(stage)
            if earliest is None or at < earliest:
                first[stage] = at
    return first


def contribution(first: Mapping[int, int]) -> set[int]:
    """Return the steps one deal counts for, given its first entries: into each stage, and on to each later one."""
    steps = {step(stage, stage) for stage in first}
    steps.update(
        step(a, b)
        for a, entered_a in first.items()
        for b, entered_b in first.items()
        if entered_b > entered_a
    )
    return steps
