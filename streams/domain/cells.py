"""The cells of a partition, found by pipeline and instant. A *cell* holds the profiles of a window of a pipeline."""

from collections.abc import Iterator
from typing import NamedTuple

from streams.domain.codes import Vocabulary
from streams.domain.plan import WindowPlan
from streams.domain.tally import Cell, WindowScope
from streams.domain.windows import SLICE, Window, WindowKind


class Span(NamedTuple):
    """A stretch of time `[begin, end)` that lies within one window of every kind, with the cells of those windows.

    Every entry of a pipeline within a span counts in the same cells. Example: with windows of an hour and of a day,
    the span of 10:20 is `[10:00, 11:00)` and has two cells.
    """

    begin: int
    end: int
    cells: tuple[Cell, ...]


NOWHERE = Span(0, 0, ())
NEAR_SPANS = 50_000
"""Slices of time whose spans are remembered; the number bounds the memory."""


class Cells:
    """One cell for every window and pipeline with entries, present or former.

    `last_bounds` belongs to the compiled fold: the span of a pipeline's last entry, by scope code.
    """

    def __init__(self, plan: WindowPlan, vocabulary: Vocabulary) -> None:
        self.last_bounds: dict[int, object] = {}
        self._plan = plan
        self._vocabulary = vocabulary
        self._kinds: dict[int, tuple[WindowKind, ...]] = {}
        self._cells: dict[tuple[int, int, int], Cell] = {}
        self._near: dict[tuple[int, int], Span] = {}

    def __iter__(self) -> Iterator[Cell]:
        """Iterate over the cells."""
        return iter(self._cells.values())

    def span_of(self, scope: int, at: int) -> Span:
        """Return the span of an entry at instant `at` in the pipeline with code `scope`.

        Raises OverflowError when the entry lies outside the calendar.
        """
        near = self._near.get((scope, at // SLICE), NOWHERE)
        if near.begin <= at < near.end:
            return near
        kinds = self._kinds.get(scope)
        if kinds is None:
            kinds = self._plan.kinds_of(self._vocabulary.scopes.value(scope).tenant_id)
            self._kinds[scope] = kinds
        cells = tuple(self._in(scope, number, kind, at) for number, kind in enumerate(kinds))
        span = Span(max(cell.start for cell in cells), min(cell.end for cell in cells), cells)
        if len(self._near) >= NEAR_SPANS:
            self._near.clear()
        self._near[scope, at // SLICE] = span
        return span

    def _in(self, scope: int, number: int, kind: WindowKind, at: int) -> Cell:
        start, end = kind.bounds(at)
        cell = self._cells.get((scope, number, start))
        if cell is None:
            where = WindowScope(self._vocabulary.scopes.value(scope), Window(kind.name, start, end))
            cell = self._cells[scope, number, start] = Cell(where, scope)
        return cell

    def at(self, where: WindowScope) -> Cell:
        """Return the cell of a window of a pipeline; make the cell if necessary."""
        scope = self._vocabulary.scopes.code(where.scope)
        key = (scope, self._plan.names.index(where.window.name), where.window.start)
        return self._cells.setdefault(key, Cell(where, scope))
