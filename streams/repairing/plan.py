"""The plan of a repair: what mends each finding, in the order from the log to the facts.

1. `restate`: a deal whose rows the log or a worker has wrong. The rows' present content is put into the log under the
   rows' own keys, so replays, paused workers and checkpoints agree afterwards.
2. `recount`: the workers compare all their counts with Postgres, and write those that differ.
3. `publish`: a closed window gets its next revision from the partials.

Every finding needs step 3. Example: a row was lost between the source and the log. The plan restates the row's deal,
and publishes the windows that differ.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from streams.cdc.restatement import parse_key
from streams.explaining import Fault, Finding

_OF_THE_LOG = frozenset({Fault.LOST, Fault.GHOST, Fault.STALE, Fault.DEAD_LETTER, Fault.WRONG_PARTITION})
_OF_THE_COUNTS = frozenset({Fault.MISSING_IN_STATE, Fault.PARTIAL_EDITED})
_OF_A_DEAL = _OF_THE_LOG | _OF_THE_COUNTS
_OF_THE_PAIRS = frozenset({Fault.PAIRS_CHANGED, Fault.RUN_ADDED})
_LEFT = {
    Fault.SEALED: "the window is past its retention, and keeps its facts",
    Fault.UNKNOWN: "no repair is known: run `funnelproof rebuild`, which counts everything anew",
}


@dataclass(frozen=True)
class LogRecord:
    """The place of a row's record in the log; `is_astray`: the row belongs in another partition."""

    partition: int
    key: bytes
    is_astray: bool


@dataclass(frozen=True)
class DealRepair:
    """A deal whose rows are restated: all rows of the deal in the source, and the `records` of the log.

    `tenant_id` is the tenant of all findings of the deal; None where the findings are of several tenants.
    """

    deal_id: UUID
    tenant_id: UUID | None
    faults: frozenset[Fault]
    records: tuple[LogRecord, ...]


@dataclass(frozen=True)
class WindowRepair:
    """A window that is published anew; `present_pairs`: with the pairs of now, since the run's own are in doubt."""

    tenant_id: UUID
    pipeline_id: UUID
    window_name: str
    window_start: datetime
    window_end: datetime
    faults: frozenset[Fault]

    @property
    def present_pairs(self) -> bool:
        """True if the list of pairs that the run was published with is not known."""
        return bool(self.faults & _OF_THE_PAIRS)


@dataclass(frozen=True)
class RepairPlan:
    """Deals to restate, whether to recount and why, windows to publish, and findings that no repair mends."""

    deals: tuple[DealRepair, ...] = ()
    recount: frozenset[Fault] = frozenset()
    windows: tuple[WindowRepair, ...] = ()
    left: tuple[tuple[Finding, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.windows)


def plan_repair(findings: Iterable[Finding]) -> RepairPlan:
    """Return the plan that mends `findings`."""
    found = list(findings)
    mended = [each for each in found if each.fault not in _LEFT]
    left = tuple((each, _LEFT[each.fault]) for each in found if each.fault in _LEFT)
    counts = frozenset(each.fault for each in mended if each.fault in _OF_THE_COUNTS)
    return RepairPlan(_deals(mended), counts, _windows(mended), left)


def _deals(findings: Sequence[Finding]) -> tuple[DealRepair, ...]:
    faults: dict[UUID, set[Fault]] = {}
    records: dict[UUID, set[LogRecord]] = {}
    tenants: dict[UUID, set[UUID]] = {}
    for each in findings:
        if each.fault not in _OF_A_DEAL:
            continue
        deals = {each.deal_id} if each.deal_id is not None else set()
        for row in each.rows:
            named = parse_key(row.key)
            if named is None or row.key is None:
                continue
            deals.add(named.deal_id)
            if row.partition is not None:
                is_astray = row.belongs_to is not None and row.belongs_to != row.partition
                records.setdefault(named.deal_id, set()).add(LogRecord(row.partition, row.key, is_astray))
        for deal in deals:
            faults.setdefault(deal, set()).add(each.fault)
            tenants.setdefault(deal, set()).add(each.tenant_id)
    return tuple(
        DealRepair(
            deal,
            next(iter(tenants[deal])) if len(tenants[deal]) == 1 else None,
            frozenset(faults[deal]),
            tuple(sorted(records.get(deal, ()), key=lambda one: (one.partition, one.key))),
        )
        for deal in sorted(faults)
    )


def _windows(findings: Sequence[Finding]) -> tuple[WindowRepair, ...]:
    faults: dict[tuple[UUID, UUID, str, datetime, datetime], set[Fault]] = {}
    for each in findings:
        faults.setdefault((*each.run.key, each.run.window_end), set()).add(each.fault)
    ordered = sorted(faults, key=lambda key: (key[3], *key))
    return tuple(WindowRepair(*key, frozenset(faults[key])) for key in ordered)
