"""Findings and repairs: why closed windows differ from the canonical SQL, and what was done about the differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Literal
from uuid import UUID

from streams.web.cursor import decode_cursor, encode_cursor
from streams.web.database import Reading
from streams.web.errors import UnknownError
from streams.web.finding_model import (
    Finding,
    FindingRow,
    FindingWithRows,
    Repair,
    RepairAction,
    RepairWithActions,
)
from streams.web.lists import named, page_of
from streams.web.model import Page, Run

State = Literal["open", "resolved", "all"]
_IS_OPEN = {"open": True, "resolved": False, "all": None}
_MOST_ACTIONS = 1000
ON_PAGE = 100
"""The most findings that the page of a run shows."""


@dataclass(frozen=True)
class Of:
    """The windows that are asked about: all, those of a tenant, pipeline or kind, or the one that begins at `start`."""

    tenant_id: UUID | None = None
    pipeline_id: UUID | None = None
    window: str | None = None
    start: datetime | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        """The first four arguments of the statements."""
        return self.tenant_id, self.pipeline_id, self.window, self.start


@dataclass(frozen=True)
class Witness:
    """The counts of a witness for a pair; None: the witness says nothing.

    `goes_wrong`: the first witness that counts otherwise than the witness before.
    """

    name: str
    entered: int | None
    converted: int | None
    goes_wrong: bool


@dataclass(frozen=True)
class PairFault:
    """A fault of a pair: the findings of the fault, the newest first, and the number of deals behind."""

    first: Finding
    findings: tuple[Finding, ...]

    @property
    def witnesses(self) -> tuple[Witness, ...]:
        """The counts of the witnesses, from the CRM to the published result."""
        one = self.first
        counts = {
            "The CRM": (one.source_entered, one.source_converted),
            "The log": (one.log_entered, one.log_converted),
            "Workers": (one.partials_entered, one.partials_converted),
            "Result": (one.facts_entered, one.facts_converted),
        }
        told = [each for each in counts.values() if each[0] is not None]
        wrong = next((each for before, each in pairwise(told) if each != before), None)
        return tuple(Witness(name, *each, goes_wrong=each is wrong) for name, each in counts.items())

    @property
    def deals(self) -> int:
        """The number of deals that the fault concerns."""
        return len({each.deal_id for each in self.findings if each.deal_id is not None})


@dataclass(frozen=True)
class WindowFindings:
    """The open findings of a window and those that are resolved, by pair and fault, and the repairs of the window.

    `is_cut`: the window has more findings than ON_PAGE.
    """

    open: tuple[PairFault, ...]
    resolved: tuple[PairFault, ...]
    repairs: tuple[Repair, ...]
    is_cut: bool

    @property
    def pairs(self) -> int:
        """The number of pairs that differ."""
        return len({_pair(each.first) for each in self.open})

    @property
    def deals(self) -> int:
        """The number of deals behind the open findings."""
        return len(
            {
                finding.deal_id
                for each in self.open
                for finding in each.findings
                if finding.deal_id is not None
            }
        )


async def read_findings(
    read: Reading, of: Of, state: State, cursor: str | None, most: int, *, shows_deals: bool
) -> Page[Finding]:
    """Return findings, the newest first. `shows_deals`: the reader has the permission for deals."""
    (before,) = decode_cursor(cursor, tuple[int]) if cursor else (None,)
    rows = await read.rows("findings", *of.arguments, _IS_OPEN[state], before, most + 1)
    found = [Finding(**named(row)) for row in rows]
    shown = found if shows_deals else [each.without_deal() for each in found]
    return page_of(shown, most, lambda last: encode_cursor(last.finding_id))


async def read_finding(read: Reading, finding_id: int, *, shows_deals: bool) -> FindingWithRows:
    """Return a finding with its rows. Raises UnknownError where the reader sees no such finding."""
    row = await read.row("finding", finding_id)
    if row is None:
        raise UnknownError("there is no such finding")
    rows = await read.rows("finding_rows", finding_id) if shows_deals else []
    found = FindingWithRows(**named(row), rows=tuple(FindingRow(**each) for each in rows))
    return found if shows_deals else found.without_deal()


async def read_repairs(read: Reading, of: Of, cursor: str | None, most: int) -> Page[Repair]:
    """Return repairs, the newest first: of the window that `of` names, or all."""
    (before,) = decode_cursor(cursor, tuple[int]) if cursor else (None,)
    items = [Repair(**row) for row in await read.rows("repairs", *of.arguments, before, most + 1)]
    return page_of(items, most, lambda last: encode_cursor(last.repair_id))


async def read_repair(read: Reading, repair_id: int, *, shows_deals: bool) -> RepairWithActions:
    """Return a repair with its actions. Raises UnknownError where the reader sees no such repair."""
    row = await read.row("repair", repair_id)
    if row is None:
        raise UnknownError("there is no such repair")
    actions = [
        RepairAction(**named(each)) for each in await read.rows("repair_actions", repair_id, _MOST_ACTIONS)
    ]
    if not shows_deals:
        actions = [each.model_copy(update={"deal_id": None}) for each in actions]
    return RepairWithActions(**row, actions=tuple(actions))


async def read_window_findings(read: Reading, run: Run) -> WindowFindings:
    """Return what was found in the window of a run, whatever the revision, with the deals."""
    of = Of(run.tenant_id, run.pipeline_id, run.window, run.start)
    opened = await read_findings(read, of, "open", None, ON_PAGE, shows_deals=True)
    resolved = await read_findings(read, of, "resolved", None, ON_PAGE, shows_deals=True)
    repairs = await read_repairs(read, of, None, ON_PAGE)
    return WindowFindings(
        _by_fault(opened.items),
        _by_fault(resolved.items),
        repairs.items,
        is_cut=opened.next is not None or resolved.next is not None,
    )


async def differing_pairs(read: Reading, tenant: UUID, pipeline: UUID, window: str) -> Mapping[datetime, int]:
    """Return how many pairs have open findings, by the start of the window."""
    rows = await read.rows("differing_pairs", tenant, pipeline, window)
    return {row["window_start"]: row["pairs"] for row in rows}


def _by_fault(findings: Sequence[Finding]) -> tuple[PairFault, ...]:
    ordered = sorted(findings, key=lambda each: (*_names(each), each.fault))
    groups = (tuple(some) for _, some in groupby(ordered, key=lambda each: (_pair(each), each.fault)))
    return tuple(PairFault(some[0], some) for some in groups)


def _names(finding: Finding) -> tuple[str, str, UUID, UUID]:
    return finding.from_stage or "", finding.to_stage or "", *_pair(finding)


def _pair(finding: Finding) -> tuple[UUID, UUID]:
    return finding.from_stage_id, finding.to_stage_id
