"""Explains differences: from a differing pair to the deals, to the rows, to the records of the log.

1. Read the rows of the differing windows from the source, in one snapshot, and prove that the partials have everything
   that the snapshot has.
2. Read partials and positions from the report database, in one snapshot. Fold the log up to exactly these positions.
   Both must be equal, even while writes go on: a gap is a fault of a worker's state, or of a partial.
3. Deals that the source and the log have otherwise are suspected, and so is a deal in several partitions. Changes that
   came between the snapshot and the positions make false suspects: `streams.explaining.suspects` looks at the suspects
   until the looks are beyond doubt.

Memory: 24 bytes for each row of the windows and side, the rows of a single partition, and the suspects.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from streams.cdc.topics import Topics
from streams.completeness.markers import MarkerMissingError
from streams.completeness.proving import ProgressMissingError
from streams.domain.codes import Vocabulary
from streams.domain.plan import WindowPlan
from streams.domain.tally import step
from streams.errors import PreconditionError, UnreachableError
from streams.explaining.evidence import Deal
from streams.explaining.finding import Counts, Finding, Witnesses
from streams.explaining.judging import PairCase, judge
from streams.explaining.log import Log, open_log
from streams.explaining.log_view import LogReading, LogView
from streams.explaining.recording import record
from streams.explaining.report import ReportView, is_published, read_report, window_of
from streams.explaining.row_set import RowSet
from streams.explaining.source_rows import read_rows
from streams.explaining.state import StateFault, judge_gap
from streams.explaining.suspects import Suspects
from streams.explaining.windows import AskedWindows
from streams.explaining.workers import ask_workers
from streams.reconciliation import Difference
from streams.reconciliation.canonical import canonical_counts
from streams.reconciliation.reader import ReplicaBehindError
from streams.reconciliation.reconcile import Sessions, open_sessions
from streams.reconciliation.result import Key, Pair
from streams.reconciliation.rounds import read_runs
from streams.settings import Settings
from streams.store.timezones import recorded_plan

PAIRS = 100
"""The most differing pairs that are explained, unless told otherwise; also the default of `--explain-limit`."""
DEALS = 1000
"""The most suspected deals that are looked at, unless told otherwise."""

OnProgress = Callable[[int, int], None]
"""A callback with the number of read records, and the number of records to read."""


@dataclass(frozen=True)
class Explanation:
    """The findings. `pairs` were explained, `left_out` pairs were not.

    Of the explained, `equal` are equal by now. `unsettled` still change, by a revision that waits or by deals that are
    written all the time: no fault is seen, and a later comparison tells.
    `further_deals` are suspected deals that were not looked at.
    """

    findings: tuple[Finding, ...]
    pairs: int
    left_out: int
    equal: int
    unsettled: int
    further_deals: int


async def explain(
    settings: Settings,
    differences: Sequence[Difference],
    on_progress: OnProgress = lambda *_: None,
    *,
    pairs: int = PAIRS,
    deals: int = DEALS,
) -> list[Finding]:
    """Return the findings of `explain_differences`."""
    found = await explain_differences(settings, differences, on_progress, pairs=pairs, deals=deals)
    return list(found.findings)


async def explain_differences(
    settings: Settings,
    differences: Sequence[Difference],
    on_progress: OnProgress = lambda *_: None,
    *,
    pairs: int = PAIRS,
    deals: int = DEALS,
) -> Explanation:
    """Explain the first `pairs` of the differences with the first `deals` suspected deals, and record the findings.

    Raises UnreachableError and PreconditionError.
    """
    asked = differences[:pairs]
    if not asked:
        return Explanation((), 0, len(differences), 0, 0, 0)
    async with (
        open_sessions(settings) as sessions,
        open_log(settings.brokers, settings.data_topic) as log,
    ):
        explaining = _Explaining(settings, sessions, log, asked, deals, on_progress)
        try:
            await explaining.run()
        except (MarkerMissingError, ProgressMissingError, ReplicaBehindError) as error:
            raise UnreachableError(f"nothing can be explained: {error}") from error
        await record(sessions.report, [each.run.key for each in asked], explaining.findings)
        return Explanation(
            tuple(explaining.findings),
            len(asked),
            len(differences) - len(asked),
            explaining.equal,
            explaining.unsettled,
            explaining.further,
        )


class _Explaining:
    def __init__(
        self,
        settings: Settings,
        sessions: Sessions,
        log: Log,
        asked: Sequence[Difference],
        most_deals: int,
        on_progress: OnProgress,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._log = log
        self._asked = asked
        self._most_deals = most_deals
        self._on_progress = on_progress
        self._vocabulary = Vocabulary()
        self._read = self._expected = 0
        self._notes: list[str] = []
        self._is_written = self._is_restless = False
        self.findings: list[Finding] = []
        self.equal = self.unsettled = self.further = 0

    async def run(self) -> None:
        """Fill the fields that the explanation gives."""
        sessions = self._sessions
        ends = {each.run.key: each.run.window_end for each in self._asked}
        windows = AskedWindows([window_of(each.run) for each in self._asked], self._vocabulary)
        async with sessions.report.acquire() as connection:
            plan = await recorded_plan(connection, self._settings.windows)
        runs = await read_runs(sessions.report, ends)
        if sessions.reader.is_replica:
            await sessions.prove()
        async with sessions.reader.snapshot() as (source, _):
            canonical = await canonical_counts(source, runs.values())
            rows = await read_rows(source, windows, self._vocabulary)
        await sessions.prove()
        report = await read_report(sessions.report, ends, self._vocabulary)
        self._expected = sum(report.positions.values())
        await self._look_for_holes(report)
        reading = LogReading(self._log, windows, report.partials, plan, self._vocabulary)
        view = await reading.read(report.positions, self._on_records)
        state = await self._judge_state(view)
        suspects = self._suspects(rows, view, state)
        deals = await self._judge_suspects(suspects, plan, len(report.positions))
        self._judge(canonical, report, view, state, deals)

    async def _look_for_holes(self, report: ReportView) -> None:
        starts = await Topics(self._settings.brokers).starts(self._settings.data_topic, report.positions)
        cut = [partition for partition, start in starts.items() if start > 0]
        if cut:
            raise PreconditionError(
                f"Kafka has deleted the first records of partitions {cut}: the log is no witness any more. Run "
                "`funnelproof rebuild`"
            )

    async def _judge_state(self, view: LogView) -> list[StateFault]:
        url = self._settings.dashboard_worker_url
        asked = {UUID(bytes=deal_id) for gap in view.gaps for deal_id in gap.candidates}
        answers = await ask_workers(url, asked) if url and asked else None
        return [found for gap in view.gaps for found in judge_gap(gap, answers, self._vocabulary)]

    def _suspects(self, rows: RowSet, view: LogView, state: Sequence[StateFault]) -> set[bytes]:
        # Changes that came after the snapshot make most false suspects, and are in the log alone: these come last.
        found = dict.fromkeys(
            deal_id
            for some in (
                {each.deal_id.bytes for each in state if each.deal_id is not None},
                view.split,
                rows.deals_unlike(view.rows),
                view.rows.deals_unlike(rows),
            )
            for deal_id in sorted(some)
        )
        kept = set(list(found)[: self._most_deals])
        self.further = len(found) - len(kept)
        if self.further:
            self._notes.append(f"{self.further} further deals differ, and were not looked at")
        self._is_written = bool(found) and not self.further
        return kept

    async def _judge_suspects(self, suspects: set[bytes], plan: WindowPlan, partitions: int) -> list[Deal]:
        if not suspects:
            return []
        self._expected *= 2
        looking = Suspects(self._sessions, self._log, suspects, plan, partitions)
        found, restless = await looking.judged(self._on_records)
        self._is_restless = bool(restless)
        if restless:
            self._notes.append(f"{len(restless)} deals were written all the time, and could not be judged")
        return [found[deal] for deal in sorted(found)]

    def _judge(
        self,
        canonical: Mapping[Key, Mapping[Pair, Counts]],
        report: ReportView,
        view: LogView,
        state: Sequence[StateFault],
        deals: Sequence[Deal],
    ) -> None:
        partials = report.counts()
        for each in self._asked:
            key, pair = each.run.key, each.pair
            run = report.runs.get(key, each.run)
            fact, source = run.facts.get(pair), canonical.get(key, {}).get(pair)
            is_none = run.run_id is None and not run.counted and not any(source or ())
            if key not in report.sealed and (is_none or (fact == source and fact is not None)):
                self.equal += 1
                continue
            where = window_of(each.run)
            stages = self._vocabulary.stages.code(str(pair[0])), self._vocabulary.stages.code(str(pair[1]))
            case = PairCase(
                run,
                pair,
                where,
                Witnesses(
                    source,
                    _counts(view.counts.get(where, {}), stages),
                    _counts(partials[where], stages),
                    fact,
                ),
                stages,
                deals,
                [found for found in state if found.gap.where == where],
                None if run.run_id is None else report.published.get(run.run_id, {}).get(pair),
                is_published(run),
                key in report.sealed,
                key in report.touched,
                self._is_written,
                self._is_restless,
                self._notes,
            )
            faults = judge(case)
            self.findings += faults
            if not faults:
                self.unsettled += case.is_unsettled
                self.equal += not case.is_unsettled

    def _on_records(self, records: int) -> None:
        self._read += records
        self._on_progress(self._read, max(self._read, self._expected))


def _counts(counts: Mapping[int, int], stages: tuple[int, int]) -> Counts:
    return counts.get(step(stages[0], stages[0]), 0), counts.get(step(*stages), 0)
