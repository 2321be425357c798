"""The word of the report database about the asked windows, all from a single snapshot."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from streams.domain.change import Scope
from streams.domain.codes import Vocabulary
from streams.domain.profile import Profile, deals_in
from streams.domain.tally import WindowScope, step
from streams.domain.windows import Window, to_microseconds
from streams.publish.candidates import Candidate
from streams.reconciliation import ClosedRun
from streams.reconciliation.result import Counts, Key, Pair
from streams.reconciliation.rounds import read_runs
from streams.resources import sql
from streams.store.database import Pool, columns


@dataclass(frozen=True)
class ReportView:
    """Runs, positions and partials, and what else is known of the windows.

    `positions`: the offset of each partition up to which the partials are folded. `partials`: profiles by partition,
    window and step. `published`: the counts with which each run was published.
    """

    runs: Mapping[Key, ClosedRun]
    positions: Mapping[int, int]
    partials: Mapping[int, Mapping[WindowScope, Mapping[int, Profile]]]
    published: Mapping[UUID, Mapping[Pair, Counts]]
    sealed: AbstractSet[Key]
    touched: AbstractSet[Key]

    def counts(self) -> Mapping[WindowScope, Mapping[int, int]]:
        """Return the counts of all partitions together, by window and step."""
        found: dict[WindowScope, Counter[int]] = defaultdict(Counter)
        for windows in self.partials.values():
            for where, steps in windows.items():
                found[where].update({number: deals_in(profile) for number, profile in steps.items()})
        return found


def is_published(run: ClosedRun) -> bool:
    """Return True if the run has the id that a worker gives to this revision of the window."""
    scope, window = window_of(run)
    return Candidate(*scope, window, run.revision, None, "counts").run_id == run.run_id


def window_of(run: ClosedRun) -> WindowScope:
    """Return the window of a run, in the domain's words."""
    return WindowScope(
        Scope(str(run.tenant_id), str(run.pipeline_id)),
        Window(run.window_name, to_microseconds(run.window_start), to_microseconds(run.window_end)),
    )


async def read_report(report: Pool, windows: Mapping[Key, datetime], vocabulary: Vocabulary) -> ReportView:
    """Return the view of the windows, given with their ends."""
    ends = [(*key, end) for key, end in windows.items()]
    async with (
        report.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        runs = await read_runs(connection, windows)
        progress = await connection.fetch(sql("queries/completeness/progress"))
        partials = await connection.fetch(sql("queries/explaining/partials"), *columns(ends)[:4])
        states = await connection.fetch(sql("queries/explaining/window_states"), *columns(ends))
        ids = [run.run_id for run in runs.values() if run.run_id is not None]
        published = await connection.fetch(sql("queries/explaining/published"), ids)
    by_partition: dict[int, dict[WindowScope, dict[int, Profile]]] = {}
    for place, partition, from_stage, to_stage, profile in partials:
        where = _where(ends[place - 1])
        number = step(vocabulary.stages.code(from_stage), vocabulary.stages.code(to_stage))
        by_partition.setdefault(partition, {}).setdefault(where, {})[number] = int(profile)
    by_run: dict[UUID, dict[Pair, Counts]] = {}
    for run_id, a, b, entered, converted in published:
        by_run.setdefault(run_id, {})[a, b] = entered, converted
    return ReportView(
        runs,
        {row["partition"]: row["source_offset"] for row in progress},
        by_partition,
        by_run,
        _keys(windows, [row["is_sealed"] for row in states]),
        _keys(windows, [row["is_touched"] for row in states]),
    )


def _keys(windows: Mapping[Key, datetime], flags: Sequence[bool]) -> set[Key]:
    return {key for key, flag in zip(windows, flags, strict=True) if flag}


def _where(window: tuple[UUID, UUID, str, datetime, datetime]) -> WindowScope:
    tenant, pipeline, name, start, end = window
    return WindowScope(
        Scope(str(tenant), str(pipeline)), Window(name, to_microseconds(start), to_microseconds(end))
    )
