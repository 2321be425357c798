"""The profiles of a window, and the contribution of a deal to the profiles.

A deal's *first entry* into a stage within a window is the earliest `entered_at` in the window among the deal's rows of
the stage. The deal *entered* every stage with a first entry. The deal *converted* from stage a to stage b when the
first entry into b is strictly later than the first entry into a.

A *step* is a pair of stages to count deals for: (a, b) counts conversions, (a, a) counts entries. A deal with first
entries A at 9:00, B at 10:00 and C at 10:00 contributes the steps (A, A), (B, B), (C, C), (A, B) and (A, C); neither
(B, C) nor (C, B), since B and C tie. A step's *profile* splits the count by the buckets of both entries (see
`streams.domain.profile`). A *cell* holds the profiles of a window of a pipeline, within a partition.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from streams.domain.change import Scope
from streams.domain.deal import GONE
from streams.domain.profile import BUCKETS, UNITS, Profile, bucket_of
from streams.domain.windows import Window

_SHIFT = 32


class WindowScope(NamedTuple):
    """A window of a tenant's pipeline: the subject of a report run."""

    scope: Scope
    window: Window


class TallyKey(NamedTuple):
    """The key of a profile: conversions `from_stage` to `to_stage`, or entries when the two stages are equal."""

    where: WindowScope
    from_stage: str
    to_stage: str


@dataclass(slots=True)
class ChangeNote:
    """The causes of changes to a window's counts after the window's end, and the range of the changes' LSNs."""

    causes: set[str]
    lowest_lsn: int
    highest_lsn: int

    def merge(self, other: "ChangeNote") -> None:
        """Add the causes and the range of `other`."""
        self.causes |= other.causes
        self.lowest_lsn = min(self.lowest_lsn, other.lowest_lsn)
        self.highest_lsn = max(self.highest_lsn, other.highest_lsn)


class Moved(IntEnum):
    """The effect of a change on a cell: none, other ages of equal counts, or other counts."""

    NOTHING = 0
    AGES = 1
    COUNTS = 2


class Cell:
    """The profiles of a window of a pipeline within a partition, by step number (see `step`).

    `moved` holds what must be added to `profiles`, by step number. The steps in `moved`, zeros included, are the steps
    that the next flush writes.
    """

    __slots__ = ("end", "moved", "note", "profiles", "scope", "start", "where")

    def __init__(self, where: WindowScope, scope: int) -> None:
        self.where = where
        self.scope = scope
        self.start = where.window.start
        self.end = where.window.end
        self.profiles: dict[int, Profile] = {}
        self.moved: dict[int, Profile] = {}
        self.note: ChangeNote | None = None

    def enter(self, first: Mapping[int, int], stage: int, at: int) -> Moved:
        """Count a deal's entry into `stage` at instant `at`; return the effect.

        `first` holds the deal's first entries in the window before the new entry: instants by stage code. Example:
        with `first` A 9:00, an entry into B at 10:00 adds 1 to (B, B) and to (A, B); at 8:00, to (B, B) and (B, A).
        """
        earliest = first.get(stage)
        if earliest is not None:
            return self.move(first, {**first, stage: at}) if at < earliest else Moved.NOTHING
        # The difference between the two contributions, added up without building them.
        moved, start, end = self.moved, self.start, self.end
        bucket = bucket_of(at, start, end)
        entered = stage << _SHIFT | stage
        moved[entered] = moved.get(entered, 0) + UNITS[bucket * BUCKETS + bucket]
        for other, other_at in first.items():
            if other_at < at:
                number = other << _SHIFT | stage
                unit = UNITS[bucket_of(other_at, start, end) * BUCKETS + bucket]
            elif other_at > at:
                number = stage << _SHIFT | other
                unit = UNITS[bucket * BUCKETS + bucket_of(other_at, start, end)]
            else:
                continue
            moved[number] = moved.get(number, 0) + unit
        return Moved.COUNTS

    def move(self, before: Mapping[int, int], after: Mapping[int, int]) -> Moved:
        """Replace a deal's first entries `before` by the first entries `after`; return the effect."""
        old, new = contribution(before, self), contribution(after, self)
        moved = self.moved
        for number in old.keys() | new.keys():
            by = new.get(number, 0) - old.get(number, 0)
            if by:
                moved[number] = moved.get(number, 0) + by
        if old.keys() != new.keys():
            return Moved.COUNTS
        return Moved.NOTHING if old == new else Moved.AGES

    def mark(self, step_number: int) -> None:
        """Have the next flush write a step, even if the profile stays."""
        self.moved.setdefault(step_number, 0)

    def settle(self) -> dict[int, Profile]:
        """Return the present profiles."""
        profiles, moved = self.profiles, self.moved
        for number, by in moved.items():
            profiles[number] = profiles.get(number, 0) + by
            moved[number] = 0
        return profiles

    def drain(self) -> dict[int, Profile]:
        """Return the profiles to write, and regard them as written."""
        profiles = self.settle()
        drained = {number: profiles[number] for number in self.moved}
        self.moved = {}
        return drained

    def add_note(self, note: ChangeNote) -> None:
        """Add the cause of a change that came after the window's end."""
        if self.note is None:
            self.note = note
        else:
            self.note.merge(note)


def step(from_stage: int, to_stage: int) -> int:
    """Return the number of the step between two stage codes."""
    return from_stage << _SHIFT | to_stage


def stages_of(step_number: int) -> tuple[int, int]:
    """Return the two stage codes in a step number."""
    return step_number >> _SHIFT, step_number & 0xFFFFFFFF


def first_entries(rows: Iterable[tuple[int, int, int, int]], cell: Cell) -> dict[int, int]:
    """Return a deal's earliest entries in the cell's window, by stage code; deleted rows do not count."""
    scope, start, end = cell.scope, cell.start, cell.end
    first: dict[int, int] = {}
    for _, at, row_scope, stage in rows:
        if start <= at < end and row_scope == scope and stage != GONE:
            earliest = first.get(stage)
            if earliest is None or at < earliest:
                first[stage] = at
    return first


def contribution(first: Mapping[int, int], cell: Cell) -> dict[int, Profile]:
    """Return the steps of a deal with these first entries, each with the deal's place in the step's profile."""
    buckets = {stage: bucket_of(at, cell.start, cell.end) for stage, at in first.items()}
    return {
        step(a, b): UNITS[buckets[a] * BUCKETS + buckets[b]]
        for a, entered_a in first.items()
        for b, entered_b in first.items()
        if a == b or entered_b > entered_a
    }
