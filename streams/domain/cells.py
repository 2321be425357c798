"""The counts of all windows of one partition, found by pipeline and instant."""

from collections.abc import Iterator
from typing import NamedTuple

from streams.domain.codes import Vocabulary
from streams.domain.plan import WindowPlan
from streams.domain.tally import Cell, WindowScope
from streams.domain.windows import SLICE, Window, WindowKind


class Span(NamedTuple):
    """A span of time within one window of each kind: the cells are the same for all entries in it."""

    begin: int
    end: int
    cells: tuple[Cell, ...]


NOWHERE = Span(0, 0, ())
NEAR_SPANS = 50_000
"""Slices of time whose cells are kept at hand; bounds their memory."""


class Cells:
    """One cell for each window of each pipeline that has, or had, entries.

    `last_bounds` belongs to the compiled fold: by scope code, where the pipeline's last entry lay.
    """

    def __init__(self, plan: WindowPlan, vocabulary: Vocabulary) -> None:
        self.last_bounds: dict[int, object] = {}
        self._plan = plan
        self._vocabulary = vocabulary
        self._kinds: dict[int, tuple[WindowKind, ...]] = {}
        self._cells: dict[tuple[int, int, int], Cell] = {}
        self._near: dict[tuple[int, int], Span] = {}

    def __iter__(self) -> Iterator[Cell]:
        """Go through all cells."""
        return iter(self._cells.values())

    def span_of(self, scope: int, at: int) -> Span:
        """Return the cells that an entry counts in, and from when until when they are the same.

        Raises OverflowError where the entry lies outside the calendar.
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
        """Return the counts of one window of one pipeline."""
        scope = self._vocabulary.scopes.code(where.scope)
        key = (scope, self._plan.names.index(where.window.name), where.window.start)
        return self._cells.setdefault(key, Cell(where, scope))
