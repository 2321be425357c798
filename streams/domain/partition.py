"""The state of one partition: a fold of its log, from which its counts follow.

What a partition knows at offset `o` is the fold of everything before `o`, whoever computes it; so state needs no
log of its own, and a result written with its offset can be written twice or late and stays right.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streams.domain.change import Change, StageEntry
from streams.domain.tally import TallyKey, WindowScope, contribution, first_entries
from streams.domain.windows import WindowKind


@dataclass(slots=True)
class RowState:
    """What is known of one row: `entry` is None once deleted; `version` is the LSN that said so (0: a snapshot)."""

    version: int
    entry: StageEntry | None


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


@dataclass(slots=True)
class Delta:
    """What changed since the last flush: absolute counts by key, and why closed windows changed."""

    counts: dict[TallyKey, int]
    notes: dict[WindowScope, ChangeNote]


@dataclass(slots=True)
class PartitionState:
    """All rows of all deals of one partition, their counts, and which counts Postgres does not know yet."""

    kinds: Sequence[WindowKind]
    position: int = 0
    deals: dict[str, dict[str, RowState]] = field(default_factory=dict)
    counts: defaultdict[TallyKey, int] = field(default_factory=lambda: defaultdict(int))
    _dirty: set[TallyKey] = field(default_factory=set)
    _notes: dict[WindowScope, ChangeNote] = field(default_factory=dict)

    def apply(self, change: Change, *, note: bool = True) -> bool:
        """Apply one change; return whether any row's entry changed.

        An update that is not newer than its row is a redelivery and does nothing. `note` is False while a replay
        passes changes that Postgres has already been told of. Raises OverflowError, and changes nothing, where
        an entry lies outside the calendar.
        """
        rows = self.deals.get(change.deal_id)
        row = rows.get(change.row_id) if rows else None
        if row is not None and change.lsn is not None and change.lsn <= row.version:
            return False
        old = row.entry if row else None
        new = change.entry
        if old == new and row is not None:
            row.version = change.lsn or 0
            return False
        affected = set(self._windows_of(old))
        affected.update(self._windows_of(new))
        if rows is None:
            rows = self.deals[change.deal_id] = {}
        before = [(where, contribution(first_entries(_entries(rows), where))) for where in affected]
        rows[change.row_id] = RowState(change.lsn or 0, new)
        for where, steps in before:
            now = contribution(first_entries(_entries(rows), where))
            if now == steps:
                continue
            for step in steps - now:
                self._count(TallyKey(where, *step), -1)
            for step in now - steps:
                self._count(TallyKey(where, *step), 1)
            if note and change.lsn is not None and change.committed_at >= where.window.end:
                self._note(where, ChangeNote({_cause(old, change)}, change.lsn, change.lsn))
        return old != new

    def reconcile_with(self, known: Mapping[TallyKey, int]) -> None:
        """Mark every count that differs from `known`, what Postgres holds, as to be written."""
        self._dirty.update(key for key, count in self.counts.items() if known.get(key, 0) != count)
        for key, count in known.items():
            if count and key not in self.counts:
                self.counts[key] = 0
                self._dirty.add(key)

    def take(self) -> Delta:
        """Return what is to be written, and regard it as written; `give_back` undoes that."""
        delta = Delta({key: self.counts[key] for key in self._dirty}, self._notes)
        self._dirty, self._notes = set(), {}
        return delta

    def give_back(self, delta: Delta) -> None:
        """Take back what could not be written: it is to be written again, with newer counts where there are."""
        self._dirty.update(delta.counts)
        for where, note in delta.notes.items():
            self._note(where, note)

    def _windows_of(self, entry: StageEntry | None) -> Iterator[WindowScope]:
        if entry is not None:
            for kind in self.kinds:
                yield WindowScope(entry.scope, kind.window_at(entry.at))

    def _count(self, key: TallyKey, by: int) -> None:
        self.counts[key] += by
        self._dirty.add(key)

    def _note(self, where: WindowScope, note: ChangeNote) -> None:
        known = self._notes.setdefault(where, note)
        if known is not note:
            known.merge(note)


def _entries(rows: Mapping[str, RowState]) -> Iterable[StageEntry | None]:
    return (row.entry for row in rows.values())


def _cause(old: StageEntry | None, change: Change) -> str:
    """Name the kind of a change, as revisions show it."""
    new = change.entry
    if change.rekeyed and (old is None or new is None):
        return "deal_merged"
    if new is None:
        return "delete"
    if old is None:
        return "late_insert"
    if old.scope != new.scope:
        return "tenant_or_pipeline_moved"
    return "stage_moved" if old.stage_id != new.stage_id else "backdate"
