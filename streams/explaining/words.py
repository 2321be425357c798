"""The sentences of findings."""

from streams.domain.lsn import lsn_text
from streams.domain.profile import deals_in
from streams.domain.tally import step
from streams.domain.windows import from_microseconds
from streams.explaining.evidence import Entry, RowFault
from streams.explaining.finding import Fault
from streams.explaining.state import StateFault
from streams.reconciliation import ClosedRun


def lsn_told(version: int | None) -> str:
    """Return a version in words: Postgres' form of an LSN."""
    if version is None:
        return "no version"
    return f"version {lsn_text(version)}" if version else "the version of a snapshot"


def row_told(found: RowFault, run: ClosedRun) -> str:
    """Return the fault of a row in words."""
    row, entry, trace = found.row, found.entry, found.trace
    crm = "the CRM has no such row of the deal" if entry is None else f"the CRM has {_entry(entry, run)}"
    place = "" if trace is None else f" in partition {trace.partition}"
    log = ""
    if trace is not None:
        state = "a deletion" if trace.entry is None else _entry(trace.entry, run)
        log = f"the log has {state} ({lsn_told(trace.version)}){place}"
    match found.fault:
        case Fault.LOST:
            return f"row {row.row_id}: {crm}; the log has no record of the row"
        case Fault.DEAD_LETTER:
            reason = "" if trace is None else f": {trace.unreadable}"
            return f"row {row.row_id}: {crm}; its last record{place} cannot be applied{reason}"
        case Fault.WRONG_PARTITION:
            return f"row {row.row_id}: {log}, and the deal belongs in partition {row.belongs_to}"
        case _:
            return f"row {row.row_id}: {crm}; {log}"


def state_told(found: StateFault, run: ClosedRun, stages: tuple[int, int]) -> str:
    """Return the fault of a worker's state, or of a partial, in words; `stages` are the codes of the pair."""
    gap = found.gap
    told = []
    for what, number in (("entered", step(stages[0], stages[0])), ("converted", step(*stages))):
        if number in gap.log:
            partials, log = deals_in(gap.partials[number]), deals_in(gap.log[number])
            told.append(f"{partials} {what} in Postgres, {log} by the log")
    del run
    return f"partition {gap.partition}: {' and '.join(told)}; {found.told}"


def _entry(entry: Entry, run: ClosedRun) -> str:
    if entry.scope.tenant_id != str(run.tenant_id):
        return "an entry of another tenant"  # whose identifiers are not for the readers of this finding
    stage = next((run.name_of(each) for each in run.stage_names if str(each) == entry.stage), entry.stage)
    there = (
        "" if entry.scope.pipeline_id == str(run.pipeline_id) else f" of pipeline {entry.scope.pipeline_id}"
    )
    try:
        instant = from_microseconds(entry.at).isoformat()
    except OverflowError:
        instant = "an instant outside the calendar"
    return f"{stage}{there} at {instant}"
