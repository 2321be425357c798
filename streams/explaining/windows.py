"""The windows that are explained, found by pipeline and instant."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from streams.domain.change import Scope
from streams.domain.codes import Vocabulary
from streams.domain.tally import Cell, WindowScope


class AskedWindows:
    """A cell for every asked window. The windows may overlap: an hour lies in a day.

    The time line of a pipeline is cut at all starts and ends, so that a search finds all cells of an instant at once.
    """

    def __init__(self, windows: Iterable[WindowScope], vocabulary: Vocabulary) -> None:
        cells: dict[int, list[Cell]] = defaultdict(list)
        for where in dict.fromkeys(windows):
            code = vocabulary.scopes.code(where.scope)
            cells[code].append(Cell(where, code))
        self._pieces = {code: _cut(some) for code, some in cells.items()}

    def cells_at(self, scope: int, at: int) -> tuple[Cell, ...]:
        """Return the cells of the asked windows around instant `at` of the pipeline with code `scope`."""
        found = self._pieces.get(scope)
        if found is None:
            return ()
        bounds, cells = found
        return cells[bisect_right(bounds, at)]

    def spans(self) -> Iterator[tuple[Scope, int, int]]:
        """Yield the stretches of time that the windows of a pipeline cover, each instant once."""
        for bounds, pieces in self._pieces.values():
            start: int | None = None
            scope: Scope | None = None
            for bound, cells in zip(bounds, pieces[1:], strict=True):
                if cells and start is None:
                    start, scope = bound, cells[0].where.scope
                elif not cells and start is not None and scope is not None:
                    yield scope, start, bound
                    start = None


def _cut(cells: Sequence[Cell]) -> tuple[list[int], list[tuple[Cell, ...]]]:
    """Return all bounds in order, and the cells before the first bound, between bounds, and after the last bound."""
    bounds = sorted({bound for cell in cells for bound in (cell.start, cell.end)})
    pieces = [tuple(cell for cell in cells if cell.start <= bound < cell.end) for bound in bounds]
    return bounds, [(), *pieces]
