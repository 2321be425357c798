"""The number cells of the page: as a browser shows them, and as counts of a database must look."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tests.integration.web.browser import Tab

Cells = Mapping[str, str]
"""Texts of cells by name."""

_NONE = "\N{EN DASH}"
_TABLE = r"""
JSON.stringify({
  pairs: [...document.querySelectorAll('main table:has(td[data-label=Entered]) tbody tr')].map(
    row => Object.fromEntries([...row.querySelectorAll('td[data-label]')].map(cell => [
      cell.dataset.label.replace(/^Whole .* before$/, 'Before'),
      (cell.querySelector('.rate') ?? (cell.dataset.label === 'Change' ? cell.firstChild : cell)).textContent]))),
  trend: [...document.querySelectorAll('#trend details tbody tr')].map(
    row => [...row.cells].slice(1, 4).map(cell => cell.textContent)),
  pipelines: Object.fromEntries([...document.querySelectorAll('.pipelines a')].map(
    link => [new URLSearchParams(link.search).get('pipeline'), link.textContent.match(/(\d+) stages/)?.[1]])),
})
"""
_COMPARED = ("Entered", "Converted", "Rate", "Of first stage", "Before", "Change")
_NOT_OVER = "not over"


@dataclass(frozen=True)
class Count:
    """A pair's counts in a window."""

    entered: int
    converted: int

    @property
    def rate(self) -> float | None:
        """The conversion rate; None without an entry."""
        return self.converted / self.entered if self.entered else None


@dataclass(frozen=True)
class Counted:
    """A window's counts by pair, in the order of the stages."""

    start: datetime
    end: datetime
    pairs: Mapping[tuple[UUID, UUID], Count]
    run_id: UUID | None = None


async def cells_in(tab: Tab) -> Cells:
    """Return the number cells that the tab shows."""
    told = json.loads(await tab.value(_TABLE))
    cells: dict[str, str] = {}
    for number, row in enumerate(told["pairs"]):
        cells |= {f"{number} {label}": _plain(row[label]) for label in _COMPARED if label in row}
    for number, row in enumerate(told["trend"]):
        names = zip(_COMPARED, row, strict=False)
        cells |= {f"trend {number} {label}": _plain(text) for label, text in names}
    return cells | {f"pipeline {name}": text for name, text in told["pipelines"].items()}


def funnel_cells(window: Counted, before: Counted | None, trend: Sequence[Counted]) -> Cells:
    """Return the cells of a pipeline's page. `trend`: the windows of the first pair's trend, the newest first."""
    cells: dict[str, str] = {}
    first = next(iter(window.pairs.values()), Count(0, 0)).entered
    for number, (pair, count) in enumerate(window.pairs.items()):
        then = None if before is None else before.pairs.get(pair)
        cells |= {
            **_counts(str(number), count),
            f"{number} Of first stage": _percent(count.converted / first if first else None),
            f"{number} Before": _NONE if then is None else f"{_percent(then.rate)} of {then.entered:,}",
            f"{number} Change": _change(window, count, then),
        }
    chosen = next(iter(window.pairs), None)
    if len(trend) > 1 and chosen is not None:
        for number, each in enumerate(trend):
            cells |= _counts(f"trend {number}", each.pairs[chosen])
    return cells


def run_cells(window: Counted) -> Cells:
    """Return the cells of a run's page."""
    cells: dict[str, str] = {}
    for number, count in enumerate(window.pairs.values()):
        cells |= _counts(str(number), count)
    return cells


def pipeline_cells(stages: Iterable[tuple[UUID, int]]) -> Cells:
    """Return the cells of the list of pipelines: the number of stages of each."""
    return {f"pipeline {pipeline}": str(number) for pipeline, number in stages}


def differing(shown: Cells, *expected: Cells) -> list[str]:
    """Return the cells that are not as all of `expected` have them; a missing cell differs too."""
    names = dict.fromkeys([*shown, *(name for each in expected for name in each)])
    return [
        f"{name}: shown {shown.get(name)!r}, expected {' and '.join(repr(each.get(name)) for each in expected)}"
        for name in names
        if any(each.get(name) != shown.get(name) for each in expected)
    ]


def _counts(name: str, count: Count) -> dict[str, str]:
    return {
        f"{name} Entered": f"{count.entered:,}",
        f"{name} Converted": f"{count.converted:,}",
        f"{name} Rate": _percent(count.rate),
    }


def _percent(rate: float | None) -> str:
    return _NONE if rate is None else f"{100 * rate:.1f} %"


def _change(window: Counted, count: Count, then: Count | None) -> str:
    """Return the change in points; none while the window is not over."""
    if window.run_id is None:
        return _NOT_OVER if then is not None else _NONE
    if then is None or then.rate is None or count.rate is None:
        return _NONE
    points = f"{100 * (count.rate - then.rate):+.1f}"
    return "0.0" if float(points) == 0 else points.replace("-", "\N{MINUS SIGN}")


def _plain(text: str) -> str:
    """Return the text as a line; the kind of a window that is not over is left out."""
    return re.sub(rf"^\S+ {_NOT_OVER}$", _NOT_OVER, re.sub(r"\s+", " ", text).strip())
