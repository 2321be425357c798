"""What is known of one deal, to look at: its rows, and its first entries in every window that it counts in."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from streams.domain.change import Scope
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE, ROW_SIZE, entries
from streams.domain.plan import WindowPlan
from streams.domain.tally import Cell, WindowScope, first_entries


@dataclass(frozen=True)
class RowView:
    """One row. `lsn` is that of the change that said so, 0 for a snapshot's row; `entry` is None once it is deleted."""

    row_id: UUID
    lsn: int
    entry: "EntryView | None"


@dataclass(frozen=True)
class EntryView:
    """Whose funnel was entered at which stage, and when (microseconds since the epoch)."""

    scope: Scope
    stage_id: str
    at: int


class FirstEntries(NamedTuple):
    """A deal's first entry of each stage within one window of one pipeline, in their order."""

    where: WindowScope
    stages: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class DealView:
    """One deal."""

    rows: tuple[RowView, ...]
    windows: tuple[FirstEntries, ...]


def view_deal(packed: bytes, plan: WindowPlan, vocabulary: Vocabulary) -> DealView:
    """Return what a deal's packed rows say, in a vocabulary, and what of it the windows of a plan count."""
    rows = []
    cells: dict[WindowScope, Cell] = {}
    for number, (lsn, at, code, stage) in enumerate(entries(packed)):
        row_id = UUID(bytes=packed[number * ROW_SIZE : number * ROW_SIZE + 16])
        if stage == GONE:
            rows.append(RowView(row_id, lsn, None))
            continue
        scope = vocabulary.scopes.value(code)
        rows.append(RowView(row_id, lsn, EntryView(scope, vocabulary.stages.value(stage), at)))
        for kind in plan.kinds_of(scope.tenant_id):
            where = WindowScope(scope, kind.window_at(at))
            cells[where] = Cell(where, code)
    return DealView(
        tuple(rows),
        tuple(
            FirstEntries(
                where,
                tuple(
                    (vocabulary.stages.value(stage), at)
                    for stage, at in sorted(
                        first_entries(entries(packed), cell).items(), key=lambda each: each[1]
                    )
                ),
            )
            for where, cell in sorted(cells.items())
        ),
    )
