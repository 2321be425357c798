"""Hundreds of windows that close and are revised under a busy CRM; what each run promises is held to the log."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg

from tests.chaos.change_log import Log, read_log
from tests.chaos.checks import Figures, everything_is_right
from tests.chaos.crm import Crm, Habit, Transaction
from tests.chaos.promises import Replica, Run, overlooked, read_runs, uncovered, unequal
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, installed
from tests.servers import Servers, new_database

NAME = "windows under writes"
MANY = 200
RATE = 300.0
"""Rows a second that are written at least."""
SETTINGS = {"WINDOWS": "1s,2s,3s,5s,1m,hour", "PROOF_WAIT": "45s", "REVISION_DEBOUNCE": "4s"}
"""No writer stays open for as long as `PROOF_WAIT`, so every window must be proven."""
DEALS = 4000
HABITS: Mapping[str, Habit] = {
    **{f"clerk {number}": Habit((1, 3), (0, 0), (0.01, 0.03)) for number in range(5)},
    **{f"importer {number}": Habit((10, 40), (0, 0.2), (0.05, 0.2)) for number in range(6)},
    **{f"dawdler {number}": Habit((2, 12), (0.5, 6.0), (0.1, 0.6)) for number in range(4)},
}
CAUSES = ("backdate", "deal_merged", "delete", "late_insert", "stage_moved", "tenant_or_pipeline_moved")
HOW_MANY_CLOSED = "select count(*) from funnelproof.time_window where closed_at is not null"
CLOSED = f"select ({HOW_MANY_CLOSED}) >= $1"
WROTE_ELSEWHERE = "create table public.elsewhere as select pg_current_xact_id()"


@dataclass(frozen=True)
class Kept:
    """What there was to keep promises about, and that it was as busy as it should be; no promise was broken."""

    figures: Figures
    runs: Sequence[Run]
    transactions: Sequence[Transaction]
    events: int
    seconds: float

    @property
    def causes(self) -> Counter[str]:
        return Counter(cause for run in self.runs for cause in run.causes)

    @property
    def rows(self) -> Counter[str]:
        """Rows written, for good or not, by kind of statement."""
        return sum((each.rows for each in self.transactions), Counter[str]())

    @property
    def rows_a_second(self) -> float:
        return self.rows.total() / self.seconds

    @property
    def rolled_back(self) -> float:
        return sum(not each.committed for each in self.transactions) / len(self.transactions)

    @property
    def longest(self) -> float:
        return max(each.seconds for each in self.transactions)

    @property
    def waited(self) -> int:
        """Windows whose close waited for a writer: for longer than a proof takes."""
        first = [run for run in self.runs if run.revision == 1]
        late = timedelta(seconds=1.5)
        return len({(run.window, run.start) for run in first if run.source_time - run.end > late})

    def __str__(self) -> str:
        figures = self.figures
        return (
            f"{figures.windows} windows, {len(self.runs)} runs, {figures.revisions} of them revisions "
            f"({_listed(self.causes)}); {self.waited} windows waited for writers\n"
            f"   {len(self.transactions)} transactions, {self.rolled_back:.0%} of them rolled back, the longest open "
            f"for {self.longest:.1f} s; {self.rows_a_second:.0f} rows/s ({_listed(self.rows)}); {self.events} events"
        )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


async def keep_promises(
    servers: Servers,
    template: str,
    folder: Path,
    seed: str,
    windows: int = MANY,
    rows_a_second: float = RATE,
    habits: Mapping[str, Habit] = HABITS,
) -> Kept:
    """Write, so much at least, until so many windows have closed; then compare every run with the log.

    Raises AssertionError.
    """
    async with installed(servers, template, folder, **SETTINGS) as installation:
        crm = Crm(installation.settings.source_dsn, [Funnel() for _ in range(2)], habits, DEALS)
        for funnel in crm.funnels:
            await funnel.create(installation.connection)
        for _ in range(2):
            installation.start_worker()
        await installation.wait_until_folding()
        began = time.monotonic()
        before = await installation.connection.fetchval(HOW_MANY_CLOSED)
        async with _writing_elsewhere(installation.settings.source_dsn), crm.busy(seed) as written:
            await installation.wait_until(CLOSED, before + windows, seconds=30 + 3 * windows)
        seconds = time.monotonic() - began
        assert not written.lost
        figures = await everything_is_right(installation)
        runs = await read_runs(installation.connection)
        log = await asyncio.to_thread(read_log, installation.settings)
        await _held_to_the_log(installation, servers, template, log, runs)
        _nothing_missed(log, runs, written.transactions)
    kept = Kept(figures, runs, written.transactions, len(log), seconds)
    assert kept.rows_a_second > rows_a_second, str(kept)
    _busy_enough(kept, windows)
    return kept


@asynccontextmanager
async def _writing_elsewhere(dsn: str) -> AsyncIterator[None]:
    """Keep a transaction open that writes, but not to the stage table."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(WROTE_ELSEWHERE)
    try:
        yield
        await transaction.rollback()
    finally:
        await connection.close()


async def _held_to_the_log(
    installation: Installation, servers: Servers, template: str, log: Log, runs: Sequence[Run]
) -> None:
    async with new_database(servers.postgres_dsn, template) as dsn:
        database = await asyncpg.connect(dsn)
        try:
            replica = Replica(database, log)
            await replica.prepare()
            wrong = await unequal(replica, runs)
            assert not wrong, f"{len(wrong)} of {len(runs)} runs are not the log's: {wrong[:5]}"
            await replica.advance(log.ends)
            kept, there = await replica.table(), await Replica(installation.connection, log).table()
            assert kept == there, f"the log is not the table's: {list(kept ^ there)[:5]}"
        finally:
            await database.close()


def _nothing_missed(log: Log, runs: Sequence[Run], transactions: Sequence[Transaction]) -> None:
    streamed = {event.xid for events in log.partitions for event in events}
    wrote = {each.xid for each in transactions if each.committed and each.rows.total()}
    assert streamed == wrote, f"in the log, or committed, alone: {list(streamed ^ wrote)[:5]}"
    for missed in (uncovered(log, runs), overlooked(transactions, runs)):
        assert not missed, f"{len(missed)} of {len(runs)} runs miss something: {missed[:5]}"


def _busy_enough(kept: Kept, windows: int) -> None:
    told = str(kept)
    assert kept.figures.windows >= windows, told
    assert {run.completeness for run in kept.runs} == {"proven"}, told
    assert set(kept.causes) == set(CAUSES), told
    assert all(kept.rows[kind] for kind in ("backdate", "merge", "move_deal", "delete", "exit")), told
    assert 0.08 < kept.rolled_back < 0.25, told
    assert kept.longest > 5, told
    assert kept.waited > windows / 10, told
    assert max(each.rows.total() for each in kept.transactions) > 5, told
