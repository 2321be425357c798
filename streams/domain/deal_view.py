"""A deal for the web page: the deal's rows, and its first entries in every window."""

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
    """A row. `lsn` is the position of the row's last change, 0 after a snapshot; a deleted row has no `entry`."""

    row_id: UUID
    lsn: int
    entry: "EntryView | None"


@dataclass(frozen=True)
class EntryView:
    """The entry that a row records: funnel, stage, and instant (microseconds since the Unix epoch)."""

    scope: Scope
    stage_id: str
    at: int


class FirstEntries(NamedTuple):
    """First entries of a deal within a window of a pipeline: (stage id, instant), earliest first."""

    where: WindowScope
    stages: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class DealView:
    """A deal: rows, and first entries by window."""

    rows: tuple[RowView, ...]
    windows: tuple[FirstEntries, ...]


def view_deal(packed: bytes, plan: WindowPlan, vocabulary: Vocabulary) -> DealView:
    """Return the view of a deal, from its packed rows; `plan` gives the windows, `vocabulary` the ids behind codes."""
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
