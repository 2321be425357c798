"""The verdict on a pair of stages: the faults that the evidence shows. No server is asked here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from streams.domain.tally import WindowScope, step
from streams.explaining.evidence import Deal, RowFault, row_faults
from streams.explaining.finding import ConcernedRow, Counts, Fault, Finding, Witnesses
from streams.explaining.state import StateFault
from streams.explaining.words import row_told, state_told
from streams.reconciliation import ClosedRun
from streams.reconciliation.result import Pair, counts_told


@dataclass(frozen=True)
class PairCase:
    """All evidence about a pair of stages in a window.

    `deals` are deals that the source and the log have otherwise. `state` are the verdicts on the window's gaps between
    the log and the partials. `published` are the counts with which the run was published, None if no deal had entered.
    `is_published`: the run has the id that a worker gives. `is_touched`: a revision waits. `stages` are the codes
    of the pair in the verdicts on gaps. `notes` are reasons for which the evidence may be incomplete. `is_written`: the
    CRM wrote after the source was read, and the log has the later rows. `is_restless`: some deals were written all the
    time, and could not be judged.
    """

    run: ClosedRun
    pair: Pair
    where: WindowScope
    witnesses: Witnesses
    stages: tuple[int, int] = (0, 1)
    deals: Sequence[Deal] = ()
    state: Sequence[StateFault] = ()
    published: Counts | None = None
    is_published: bool = True
    is_sealed: bool = False
    is_touched: bool = False
    is_written: bool = False
    is_restless: bool = False
    notes: Sequence[str] = field(default=())

    @property
    def waits(self) -> bool:
        """True if a revision of the window waits."""
        return self.run.pending or self.is_touched

    @property
    def is_right(self) -> bool:
        """True if the fact is right by the log, and later writes explain that the source was read otherwise."""
        seen = self.witnesses
        return self.is_written and seen.facts is not None and seen.facts == seen.log == seen.partials

    @property
    def is_unsettled(self) -> bool:
        """True if a pair without a fault may still change: a later comparison tells."""
        return self.waits or self.is_restless

    def finding(
        self, fault: Fault, sentence: str, deal: Deal | None = None, rows: Sequence[ConcernedRow] = ()
    ) -> Finding:
        """Return a finding about the pair."""
        deal_id = None if deal is None else deal.deal_id
        return Finding(fault, self.run, *self.pair, self.witnesses, sentence, deal_id, tuple(rows))


def judge(case: PairCase) -> list[Finding]:
    """Return the faults by which a pair differs: `unknown` if nothing fits.

    Return none where nothing wrong is seen: the window waits for a revision, or the fact is right by now.
    """
    if case.is_sealed:
        return [case.finding(Fault.SEALED, "the window is past its retention: nothing is compared any more")]
    found = [*_of_log(case), *_of_state(case), *_of_facts(case)]
    return found if found or case.waits or case.is_right else [_unknown(case)]


def _of_log(case: PairCase) -> Iterator[Finding]:
    pair = str(case.pair[0]), str(case.pair[1])
    for deal in case.deals:
        if deal.source_counts(case.where, pair) == deal.log_counts(case.where, pair):
            continue
        found = sorted(row_faults(deal, case.where, pair), key=lambda each: each.fault)
        for fault, some in groupby(found, lambda each: each.fault):
            rows: list[RowFault] = list(some)
            sentence = "; ".join(row_told(each, case.run) for each in rows)
            yield case.finding(fault, sentence, deal, [each.row for each in rows])


def _of_state(case: PairCase) -> Iterator[Finding]:
    steps = {step(case.stages[0], case.stages[0]), step(*case.stages)}
    for found in case.state:
        if steps.isdisjoint(found.gap.log):
            continue
        rows = _rows_of(case, found)
        sentence = state_told(found, case.run, case.stages)
        yield Finding(found.fault, case.run, *case.pair, case.witnesses, sentence, found.deal_id, tuple(rows))


def _rows_of(case: PairCase, found: StateFault) -> list[ConcernedRow]:
    for deal in case.deals:
        if deal.deal_id == found.deal_id:
            return [
                ConcernedRow(
                    each.row_id, each.key, each.partition, deal.home, each.version, each.row_id in deal.source
                )
                for each in deal.traces
                if each.row_id in found.rows and each.partition == found.gap.partition
            ]
    return []


def _of_facts(case: PairCase) -> Iterator[Finding]:
    run, fact, partials = case.run, case.witnesses.facts, case.witnesses.partials
    if run.run_id is None:
        if run.counted and not case.is_touched:
            told = "the window is closed, the partials have counts, and there is no run"
            yield case.finding(Fault.RUN_DELETED, told)
        return
    if not case.is_published:
        told = f"run {run.run_id} has not the id that a worker gives to revision {run.revision}"
        yield case.finding(Fault.RUN_ADDED, told)
        return
    published = case.published or (0, 0)
    if fact is None:
        if case.pair in run.pairs and case.published is None and any(partials or ()):
            told = "the run's list of pairs has the pair, and the run was published without the pair"
            yield case.finding(Fault.PAIRS_CHANGED, told)
        else:
            told = f"the fact is gone; the run was published with {counts_told(published)}"
            yield case.finding(Fault.FACT_EDITED, told)
    elif case.pair not in run.pairs and published == fact:
        told = "the run has a fact of the pair, and its list of pairs does not have the pair any more"
        yield case.finding(Fault.PAIRS_CHANGED, told)
    elif published != fact:
        told = f"the fact says {counts_told(fact)}; the run was published with {counts_told(published)}"
        yield case.finding(Fault.FACT_EDITED, told)
    elif fact != partials and not case.waits:
        told = (
            f"revision {run.revision} is as it was published, the counts are others now, and no revision waits: the "
            "next revision was deleted, or never published"
        )
        yield case.finding(Fault.RUN_DELETED, told)


def _unknown(case: PairCase) -> Finding:
    seen = case.witnesses
    told = [
        "no rule fits",
        f"the CRM says {counts_told(seen.source)}",
        f"the log says {counts_told(seen.log)}",
        f"the partials say {counts_told(seen.partials)}",
        f"the fact says {counts_told(seen.facts)}",
    ]
    return case.finding(Fault.UNKNOWN, "; ".join([*told, *case.notes]))
