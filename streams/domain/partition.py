"""The state of a partition: a fold of the partition's log, from which the counts follow.

The state at offset `o` is the fold of the records before `o`, on any worker. State therefore needs no log of its own:
a lost worker's state is replayed. And a result stored with its offset may be written twice or late, and stays right.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from streams.domain.cells import Cells
from streams.domain.change import Change
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE, ROW_SIZE, entries, find_row, pack_row, read_row, with_row
from streams.domain.packed import unpacked
from streams.domain.plan import WindowPlan
from streams.domain.profile import Profile
from streams.domain.snapshot import CellProfiles, Snapshot, recode
from streams.domain.tally import (
    Cell,
    ChangeNote,
    Moved,
    TallyKey,
    WindowScope,
    first_entries,
    stages_of,
    step,
)
from streams.domain.windows import Window

try:
    from streams.domain.folding import fold
except ImportError:  # not compiled
    fold = None  # type: ignore[assignment]  # a function is no variable to the checker

_NOTHING_SEALED: Mapping[str, int] = MappingProxyType({})


LARGE = 64 * ROW_SIZE
"""Bytes from which a deal's first entries are cached: without a cache, n rows of a deal take n² steps."""


@dataclass(slots=True)
class Delta:
    """Changes since the last flush: absolute profiles by key, and notes on the causes in ended windows."""

    profiles: dict[TallyKey, Profile]
    notes: dict[WindowScope, ChangeNote]


class PartitionState:
    """The rows and profiles of the deals in a partition, and the set of profiles that Postgres lacks.

    The state covers the log before `position`; the caller who applies changes also advances `position`.
    """

    def __init__(self, plan: WindowPlan, vocabulary: Vocabulary) -> None:
        self.position = 0
        self.deals: dict[bytes, bytes] = {}
        self._vocabulary = vocabulary
        self._cells = Cells(plan, vocabulary)
        self._changed: set[Cell] = set()
        self._large: dict[bytes, dict[Cell, dict[int, int]]] = {}

    def apply(self, change: Change, *, note: bool = True) -> bool:
        """Apply one change; return whether the row's entry changed. See `apply_all`."""
        return self.apply_all((change,), note=note) == 1

    def apply_all(self, changes: bytes | Iterable[Change], *, note: bool = True) -> int:
        """Apply changes, packed or not, in the log's order; return how many rows' entries changed.

        A change whose LSN is not above the row's version is a redelivery, and does nothing. A row read by a snapshot
        always applies and sets the version to 0: a transaction that was open across the snapshot has smaller LSNs, and
        is still newer. Example: version 7, then LSN 7 (redelivered) does nothing; a snapshot's row applies, version 0;
        then LSN 5 applies.

        `note` is False while a replay passes changes whose causes Postgres already has. Raises OverflowError when an
        entry lies outside the calendar; the changes before that entry stay applied.
        """
        if isinstance(changes, bytes):
            if fold is not None:
                return fold(self, changes, note=note)
            changes = unpacked(changes)
        return sum(self._apply(change, note=note) for change in changes)

    def mark_differences(self, known: Mapping[TallyKey, Profile]) -> None:
        """Have the next flush write the profiles that differ from `known`, the profiles in Postgres, and no others."""
        for cell in self._changed:
            cell.drain()
        self._changed = {cell for cell in self._changed if cell.note is not None}
        held: set[tuple[Cell, int]] = set()
        for key, profile in known.items():
            cell = self._cells.at(key.where)
            stages = self._vocabulary.stages
            number = step(stages.code(key.from_stage), stages.code(key.to_stage))
            held.add((cell, number))
            if cell.profiles.get(number, 0) != profile:
                self._mark(cell, number)
        for cell in self._cells:
            for number, profile in cell.profiles.items():
                if profile and (cell, number) not in held:
                    self._mark(cell, number)

    def profiles(self) -> dict[TallyKey, Profile]:
        """Return the profiles of counts above zero."""
        return {
            self._key(cell, number): profile
            for cell in self._cells
            for number, profile in cell.settle().items()
            if profile
        }

    def drain(self, sealed: Mapping[str, int] = _NOTHING_SEALED) -> Delta:
        """Return the changes since the last call, and regard them as written; `give_back` undoes the call.

        `sealed` gives, by window kind, the end of the newest sealed window. Sealed windows take no counts any more; a
        change in a sealed window yields a note only, by which the flush counts ignored changes. Example: days are
        sealed until midnight of March 1. An entry backdated to February 20 adds to no partial; an entry of March 2
        does.
        """
        delta = Delta({}, {})
        for cell in self._changed:
            drained = cell.drain()
            if not sealed or cell.end > sealed.get(cell.where.window.name, cell.start):
                delta.profiles.update((self._key(cell, number), each) for number, each in drained.items())
            if cell.note is not None:
                delta.notes[cell.where] = cell.note
            cell.note = None
        self._changed = set()
        return delta

    def give_back(self, delta: Delta) -> None:
        """Take back a delta that was not written: the next one has the present profiles of the delta's keys."""
        stages = self._vocabulary.stages
        for key in delta.profiles:
            cell = self._cells.at(key.where)
            number = step(stages.code(key.from_stage), stages.code(key.to_stage))
            self._mark(cell, number)
        for where, note in delta.notes.items():
            cell = self._cells.at(where)
            cell.add_note(note)
            self._changed.add(cell)

    def snapshot(self) -> Snapshot:
        """Return a copy of the present state; later changes leave the copy alone."""
        cells = [
            CellProfiles(cell.scope, cell.where.window.name, cell.start, cell.end, dict(cell.settle()))
            for cell in self._cells
        ]
        vocabulary = self._vocabulary
        return Snapshot(
            self.position, vocabulary.scopes.values(), vocabulary.stages.values(), dict(self.deals), cells
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Load a snapshot; the state must be empty, and the snapshot taken with equal windows."""
        vocabulary = self._vocabulary
        scopes = [vocabulary.scopes.code(scope) for scope in snapshot.scopes]
        stages = [vocabulary.stages.code(stage) for stage in snapshot.stages]
        same = scopes == list(range(len(scopes))) and stages == list(range(len(stages)))
        self.deals = (
            snapshot.deals if same else {k: recode(v, scopes, stages) for k, v in snapshot.deals.items()}
        )
        for scope, name, start, end, profiles in snapshot.cells:
            where = WindowScope(snapshot.scopes[scope], Window(name, start, end))
            self._cells.at(where).profiles = profiles if same else _recoded(profiles, stages)
        self.position = snapshot.position

    def _apply(self, change: Change, *, note: bool) -> bool:
        packed = self.deals.get(change.deal_id, b"")
        place = find_row(packed, change.row_id)
        if place < 0:
            return self._add_row(change, packed, note=note)
        return self._change_row(change, packed, place, note=note)

    def _add_row(self, change: Change, packed: bytes, *, note: bool) -> bool:
        """Apply a change of a row that is new to the deal."""
        deal_id, row_id, scope, stage, at, lsn, _, _ = change
        cells = () if stage == GONE else self._cells.span_of(scope, at).cells
        self.deals[deal_id] = packed + pack_row(row_id, lsn or 0, at, scope, stage)
        for cell in cells:
            first = self._first_entries(deal_id, packed, cell)
            moved = cell.enter(first, stage, at)
            cause = "deal_merged" if change.rekeyed else "late_insert"
            self._touch(cell, change, moved, cause, note=note)
            first[stage] = min(at, first.get(stage, at))
        return stage != GONE

    def _change_row(self, change: Change, packed: bytes, place: int, *, note: bool) -> bool:
        """Apply a change of the row at index `place` of the deal."""
        deal_id, row_id, scope, stage, at, lsn, _, _ = change
        version, old_at, old_scope, old_stage = read_row(packed, place)
        if lsn is not None and lsn <= version:
            return False
        same = stage == old_stage and (stage == GONE or (at == old_at and scope == old_scope))
        if same and lsn is not None:
            return False  # the version may stay: no event between the two LSNs says otherwise
        cells = set() if stage == GONE else set(self._cells.span_of(scope, at).cells)
        if old_stage != GONE:
            cells.update(self._cells.span_of(old_scope, old_at).cells)
        row = pack_row(row_id, lsn or 0, at, scope, stage)
        after = self.deals[deal_id] = with_row(packed, place, row)
        if same:
            return False  # a snapshot: only the version changes
        self._large.pop(deal_id, None)
        for cell in cells:
            moved = cell.move(first_entries(entries(packed), cell), first_entries(entries(after), cell))
            self._touch(cell, change, moved, _cause(change, old_stage, old_scope), note=note)
        return True

    def _first_entries(self, deal_id: bytes, packed: bytes, cell: Cell) -> dict[int, int]:
        """Return a deal's first entries in a cell; a large deal's are cached, since every new row needs them."""
        if len(packed) < LARGE:
            return first_entries(entries(packed), cell)
        known = self._large.setdefault(deal_id, {})
        first = known.get(cell)
        if first is None:
            first = known[cell] = first_entries(entries(packed), cell)
        return first

    def _touch(self, cell: Cell, change: Change, moved: Moved, cause: str, *, note: bool) -> None:
        """Have a cell with moved profiles flushed; note why counts moved, if the change came after the window's end."""
        if moved:
            self._changed.add(cell)
        counted = moved is Moved.COUNTS
        if note and counted and change.lsn is not None and change.committed_at >= cell.end:
            cell.add_note(ChangeNote({cause}, change.lsn, change.lsn))

    def _mark(self, cell: Cell, number: int) -> None:
        cell.mark(number)
        self._changed.add(cell)

    def _key(self, cell: Cell, number: int) -> TallyKey:
        from_stage, to_stage = stages_of(number)
        stages = self._vocabulary.stages
        return TallyKey(cell.where, stages.value(from_stage), stages.value(to_stage))


def _recoded(profiles: Mapping[int, Profile], stages: Sequence[int]) -> dict[int, Profile]:
    pairs = ((stages_of(number), profile) for number, profile in profiles.items())
    return {step(stages[a], stages[b]): profile for (a, b), profile in pairs}


def _cause(change: Change, old_stage: int, old_scope: int) -> str:
    """Return the cause that a revision shows for a change."""
    if change.rekeyed and GONE in (old_stage, change.stage):
        return "deal_merged"
    if change.stage == GONE:
        return "delete"
    if old_stage == GONE:
        return "late_insert"
    if old_scope != change.scope:
        return "tenant_or_pipeline_moved"
    return "stage_moved" if old_stage != change.stage else "backdate"
