"""Rounds over windows that the sieve held back tell a difference from mere lag.

A round has four steps: read the runs, read the source in a single snapshot, prove that the partials hold everything of
the snapshot, read the runs again. A run is quiet if the run and its partials are unchanged between the two reads, and
no revision is due. A quiet run had nothing to catch up with. A difference counts if a run is quiet and different in two
rounds in a row. A run in flux is compared again in the next round.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from streams.reconciliation.canonical import canonical_counts
from streams.reconciliation.reader import Reader
from streams.reconciliation.result import ClosedRun, Difference, Key, differences_of
from streams.resources import sql
from streams.store.database import Connection, Pool, columns

AT_ONCE = 2000
"""The most windows that are compared in a snapshot."""
_CONFIRMATIONS = 2


class Rounds:
    """The windows `held` (with their ends), round after round, until each is equal or different.

    `prove()` returns once every change visible in the source at the call is in the partials, and the reader has
    everything from before the call.
    """

    def __init__(
        self,
        reader: Reader,
        report: Pool,
        prove: Callable[[], Awaitable[object]],
        held: Mapping[Key, datetime],
    ) -> None:
        self._reader = reader
        self._report = report
        self._prove = prove
        self._held = dict(sorted(held.items(), key=lambda each: (each[0][2], each[0][3], each[0])))
        self._suspicions: Counter[Key] = Counter()
        self.different: list[Difference] = []

    @property
    def suspicious(self) -> bool:
        """True if a run was quiet and different in the last round: a further round confirms the difference or not."""
        return any(self._suspicions.values())

    @property
    def left(self) -> Mapping[Key, datetime]:
        """The windows that are neither equal nor different yet, with their ends."""
        return self._held

    async def round(self) -> None:
        """Compare every window that is left."""
        windows = list(self._held.items())
        for place in range(0, len(windows), AT_ONCE):
            await self._compare(dict(windows[place : place + AT_ONCE]))

    async def runs(self) -> list[ClosedRun]:
        """Return the runs of the windows that are left."""
        return list((await read_runs(self._report, self._held)).values())

    async def _compare(self, windows: Mapping[Key, datetime]) -> None:
        before = await read_runs(self._report, windows)
        if self._reader.is_replica:
            await self._prove()
        async with self._reader.snapshot() as (source, _):
            counts = await canonical_counts(source, before.values())
        await self._prove()
        after = await read_runs(self._report, windows)
        for key in windows:
            run, known = after.get(key), before.get(key)
            if run is None or known is None:
                self._decide(key)  # the window is past its retention
                continue
            if run.pairs != known.pairs:
                self._suspicions[key] = 0
                continue
            found = differences_of(run, counts[key])
            is_missed = run.run_id is not None or run.counted or any(any(each.sql or ()) for each in found)
            if not found or not is_missed:
                self._decide(key)
            elif self._is_confirmed(known, run):
                self._decide(key)
                self.different += found

    def _is_confirmed(self, known: ClosedRun, run: ClosedRun) -> bool:
        quiet = (run.written, run.run_id) == (known.written, known.run_id) and not (
            run.pending or known.pending
        )
        self._suspicions[run.key] = self._suspicions[run.key] + 1 if quiet else 0
        return self._suspicions[run.key] >= _CONFIRMATIONS

    def _decide(self, key: Key) -> None:
        del self._held[key]
        self._suspicions.pop(key, None)


async def read_runs(report: Connection | Pool, windows: Mapping[Key, datetime]) -> dict[Key, ClosedRun]:
    """Return the latest runs of windows, given with their ends; a window past its retention has none."""
    if not windows:
        return {}
    rows = await report.fetch(
        sql("queries/reconciliation/reconcile_runs"),
        *columns((*key, end) for key, end in windows.items()),
    )
    return {run.key: run for run in _closed_runs(rows)}


def _closed_runs(rows: Iterable[asyncpg.Record]) -> Iterable[ClosedRun]:
    for row in rows:
        pairs = (
            (UUID(pair["from_stage_id"]), UUID(pair["to_stage_id"]))
            for pair in json.loads(row["stage_pairs"])
        )
        facts = json.loads(row["facts"])
        yield ClosedRun(
            run_id=row["run_id"],
            tenant_id=row["tenant_id"],
            pipeline_id=row["pipeline_id"],
            window_name=row["window_name"],
            window_start=row["window_start"],
            window_end=row["window_end"],
            revision=row["revision"],
            pairs=tuple(pairs),
            facts={(UUID(a), UUID(b)): (entered, converted) for a, b, entered, converted in facts},
            stage_names={UUID(stage): name for stage, name in json.loads(row["stage_names"]).items()},
            written=row["written"],
            pending=row["pending"],
            counted=row["counted"],
        )
