"""The verdict on a gap between the log and the partials: a worker's state is wrong, or the count in Postgres alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE, ROW_SIZE, entries
from streams.domain.profile import deals_in
from streams.domain.tally import Cell, contribution, first_entries
from streams.explaining.counting import Gap
from streams.explaining.evidence import Entry
from streams.explaining.finding import Fault
from streams.explaining.workers import HeldDeal

ASK_A_WORKER = (
    "no worker could be asked: FUNNELPROOF_DASHBOARD_WORKER_URL names the web site of a worker (`--web-port`)"
)


@dataclass(frozen=True)
class StateFault:
    """The verdict on a gap, of a deal where the deal is known. `rows` are the deal's rows that the state lacks."""

    fault: Fault
    gap: Gap
    told: str
    deal_id: UUID | None = None
    rows: tuple[UUID, ...] = ()


def judge_gap(gap: Gap, answers: Mapping[UUID, HeldDeal] | None, vocabulary: Vocabulary) -> list[StateFault]:
    """Return the verdict on a gap. `answers` are the candidates as workers hold them, None if no worker was asked."""
    if answers:
        missing = list(_missing(gap, answers, vocabulary))
        if missing:
            return missing
    is_whole = (
        not gap.further and answers is not None and len(answers.keys() & _ids(gap)) == len(gap.candidates)
    )
    if gap.candidates and is_whole:
        told = "the worker has every deal there as the log has the deal, so the count in Postgres was changed"
        return [StateFault(Fault.PARTIAL_EDITED, gap, told)]
    if not gap.candidates and len(gap.log) == 1:
        told = (
            "no deal of the log accounts for this: the count in Postgres was changed, or the worker counts a row that "
            "the log does not have"
        )
        return [StateFault(Fault.PARTIAL_EDITED, gap, told)]
    if not is_whole and len(gap.log) > 1 and not gap.further:
        named = [
            deal_id for deal_id, packed in gap.candidates.items() if _accounts_for(gap, packed, vocabulary)
        ]
        if named:
            told = (
                "exactly the counts of this deal are missing"
                if len(named) == 1
                else f"exactly the counts of one of {len(named)} deals are missing"
            )
            deal = UUID(bytes=named[0]) if len(named) == 1 else None
            return [StateFault(Fault.MISSING_IN_STATE, gap, f"{told}; {ASK_A_WORKER}", deal)]
    if not gap.candidates:
        told = "no deal of the log accounts for this"
    elif gap.further:
        told = f"{len(gap.candidates) + gap.further} deals may account for this, too many to look at"
    else:
        told = f"{len(gap.candidates)} deals of the log may account for this; {ASK_A_WORKER}"
    return [StateFault(Fault.UNKNOWN, gap, told)]


def _ids(gap: Gap) -> set[UUID]:
    return {UUID(bytes=deal_id) for deal_id in gap.candidates}


def _missing(gap: Gap, answers: Mapping[UUID, HeldDeal], vocabulary: Vocabulary) -> Iterator[StateFault]:
    for deal_id, packed in gap.candidates.items():
        deal = UUID(bytes=deal_id)
        held = answers.get(deal)
        if held is None:
            continue
        rows = tuple(_wrong_rows(packed, held, vocabulary))
        if rows:
            told = "the worker does not know the deal" if not held else "the worker has the deal otherwise"
            yield StateFault(Fault.MISSING_IN_STATE, gap, told, deal, rows)


def _wrong_rows(packed: bytes, held: HeldDeal, vocabulary: Vocabulary) -> Iterator[UUID]:
    """Yield the rows that the log has, and the worker lacks or has in an older version."""
    for number, (version, at, scope, stage) in enumerate(entries(packed)):
        row_id = UUID(bytes=packed[number * ROW_SIZE : number * ROW_SIZE + 16])
        entry = (
            None
            if stage == GONE
            else Entry(vocabulary.scopes.value(scope), vocabulary.stages.value(stage), at)
        )
        known = held.get(row_id)
        if known is None:
            if entry is not None:
                yield row_id
        elif known.entry != entry and known.version <= version:
            yield row_id


def _accounts_for(gap: Gap, packed: bytes, vocabulary: Vocabulary) -> bool:
    """Return True if the partials lack exactly the deal, all of its steps."""
    cell = Cell(gap.where, vocabulary.scopes.code(gap.where.scope))
    steps = contribution(first_entries(entries(packed), cell), cell)
    return steps.keys() == gap.log.keys() and all(
        deals_in(gap.log[number]) - deals_in(gap.partials[number]) == 1 for number in steps
    )
