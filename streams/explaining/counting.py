"""The counts that a partition's log stands for: a plain recomputation from the rows in the asked windows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from streams.domain.change import Change
from streams.domain.deal import GONE, ROW_SIZE, entries, find_row, pack_row, read_row, with_row
from streams.domain.profile import BASE, Profile, deals_by_place, deals_in
from streams.domain.tally import Cell, WindowScope, contribution, first_entries
from streams.explaining.row_set import RowSet
from streams.explaining.windows import AskedWindows

Steps = Mapping[int, Profile]
"""Profiles by step number."""

MOST_CANDIDATES = 1000
"""The most deals of a gap that are kept, to ask the workers for."""


@dataclass
class Gap:
    """A window of a partition where the partials differ from the log.

    `log` and `partials` are the profiles of the steps with other counts. `candidates` are deals by which the log counts
    more than the partials: their rows, packed; `further` is the number of candidates that were not kept.
    """

    partition: int
    where: WindowScope
    log: dict[int, Profile]
    partials: dict[int, Profile]
    candidates: dict[bytes, bytes] = field(default_factory=dict)
    further: int = 0

    def excess(self) -> set[tuple[int, Profile]]:
        """Return the steps and places where the log counts more, each place as the profile of a single deal."""
        found = set()
        for number in self.log.keys() | self.partials.keys():
            mine = deals_by_place(self.log.get(number, 0))
            theirs = deals_by_place(self.partials.get(number, 0))
            found |= {
                (number, BASE**place)
                for place, (one, other) in enumerate(zip(mine, theirs, strict=True))
                if one > other
            }
        return found


class PartitionLog:
    """The deals of a partition with a row in the asked windows, packed as a worker packs deals.

    A deal is kept from its first row in the windows on. So an older version of a row that comes again after the row had
    left the windows counts here, and not with a worker. A connector with exactly-once delivery sends none.
    """

    def __init__(self, windows: AskedWindows) -> None:
        self._windows = windows
        self.deals: dict[bytes, bytes] = {}

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply changes in the log's order, by the rule of versions; other deals are passed over."""
        deals, cells_at = self.deals, self._windows.cells_at
        for deal_id, row_id, scope, stage, at, lsn, _, _ in changes:
            packed = deals.get(deal_id)
            if packed is None:
                if stage != GONE and cells_at(scope, at):
                    deals[deal_id] = pack_row(row_id, lsn or 0, at, scope, stage)
                continue
            place = find_row(packed, row_id)
            row = pack_row(row_id, lsn or 0, at, scope, stage)
            if place < 0:
                deals[deal_id] = packed + row
            elif lsn is None or lsn > read_row(packed, place)[0]:
                deals[deal_id] = with_row(packed, place, row)

    def add_rows(self, rows: RowSet) -> list[bytes]:
        """Add the rows in the asked windows to `rows`; return the deals with such a row."""
        living = []
        for deal_id, packed in self.deals.items():
            alive = False
            for number, (_, at, scope, stage) in enumerate(entries(packed)):
                if stage != GONE and self._windows.cells_at(scope, at):
                    row_id = packed[number * ROW_SIZE : number * ROW_SIZE + 16]
                    rows.add(deal_id, row_id, scope, stage, at)
                    alive = True
            if alive:
                living.append(deal_id)
        return living

    def profiles(self) -> dict[WindowScope, dict[int, Profile]]:
        """Return the profiles of all steps of each asked window."""
        found: dict[WindowScope, dict[int, Profile]] = {}
        for _, _, cell, steps in self._contributions():
            profiles = found.setdefault(cell.where, {})
            for number, unit in steps.items():
                profiles[number] = profiles.get(number, 0) + unit
        return found

    def gaps(
        self, partition: int, log: Mapping[WindowScope, Steps], partials: Mapping[WindowScope, Steps]
    ) -> Iterator[Gap]:
        """Yield the windows where the partials of the partition count otherwise, with candidates.

        `log` are the profiles of this partition's log.
        """
        found = [
            _gap(partition, where, log.get(where, {}), partials.get(where, {}))
            for where in log.keys() | partials.keys()
        ]
        open_gaps = {gap.where: (gap, gap.excess()) for gap in found if gap is not None}
        if open_gaps:
            for deal_id, packed, cell, steps in self._contributions():
                if cell.where not in open_gaps:
                    continue
                gap, excess = open_gaps[cell.where]
                if excess.isdisjoint(steps.items()):
                    continue
                if len(gap.candidates) < MOST_CANDIDATES:
                    gap.candidates[deal_id] = packed
                else:
                    gap.further += 1
        for gap, _ in open_gaps.values():
            yield gap

    def _contributions(self) -> Iterator[tuple[bytes, bytes, Cell, Steps]]:
        for deal_id, packed in self.deals.items():
            cells = {
                cell
                for _, at, scope, stage in entries(packed)
                if stage != GONE
                for cell in self._windows.cells_at(scope, at)
            }
            for cell in cells:
                yield deal_id, packed, cell, contribution(first_entries(entries(packed), cell), cell)


def _gap(partition: int, where: WindowScope, log: Steps, partials: Steps) -> Gap | None:
    steps = [
        number
        for number in log.keys() | partials.keys()
        if deals_in(log.get(number, 0)) != deals_in(partials.get(number, 0))
    ]
    if not steps:
        return None
    return Gap(
        partition,
        where,
        {number: log.get(number, 0) for number in steps},
        {number: partials.get(number, 0) for number in steps},
    )
