"""Historic windows: windows that ended before the installation. Historic windows close only on request."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from streams.cdc.topics import Topic
from streams.domain.plan import WindowPlan
from streams.domain.proof import Proof
from streams.domain.windows import EPOCH, Window, WindowKind, to_microseconds
from streams.errors import PreconditionError
from streams.publish.candidates import first_runs
from streams.publish.closing import Published
from streams.publish.publication import Publication, completeness, not_closed
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import Connection, Pool
from streams.store.epoch import Epoch, epoch_of
from streams.store.held_epoch import differences
from streams.store.sealing import read_sealed
from streams.store.timezones import plan_windows

WINDOWS_AT_MOST = 2_000_000
"""The most windows of one backfill: a backfill keeps its windows in memory."""


@dataclass(frozen=True)
class HistoricWindows:
    """The historic windows of a span: `open` are the windows to close, oldest first.

    `already_closed` and `sealed` (past the retention) count the windows that are left alone. Windows that ended since
    the installation are left to the closer, and not counted.
    """

    open: Sequence[Window]
    already_closed: int
    sealed: int


async def historic_windows(
    facts: Connection,
    plan: WindowPlan,
    names: Sequence[str],
    start: datetime,
    end: datetime,
    installed_at: datetime,
) -> HistoricWindows:
    """Return the windows of any tenant that lie wholly within `[start, end)` and ended by the installation.

    Raises PreconditionError if the span has too many windows for a single backfill.
    """
    until = min(end, installed_at)
    kinds = [kind for kinds in plan.tilings.values() for kind in kinds if kind.name in names]
    lying = _lying_within(kinds, to_microseconds(start), to_microseconds(until))
    windows = set(islice(lying, WINDOWS_AT_MOST + 1))
    if len(windows) > WINDOWS_AT_MOST:
        raise PreconditionError(
            f"more than {WINDOWS_AT_MOST:,} windows lie in that span: backfill a shorter one at a time, "
            "or name one kind with --window"
        )
    rows = await facts.fetch(sql("queries/publish/backfill_closed"), names, start, until)
    closed = {Window(row[0], to_microseconds(row[1]), to_microseconds(row[2])) for row in rows}
    sealed = await read_sealed(facts)
    kept = {window for window in windows if window.end > sealed.get(window.name, window.start)}
    still_open = sorted(kept - closed, key=lambda window: (window.end, window.name, window.start))
    return HistoricWindows(still_open, len(kept) - len(still_open), len(windows) - len(kept))


def _lying_within(kinds: Iterable[WindowKind], start: int, until: int) -> Iterator[Window]:
    for kind in kinds:
        for window in kind.windows_ending_in(start, until):
            if window.start >= start:
                yield window


class HistoricClosing:
    """Closes historic windows of an epoch, beside the closer. The closer's place and proofs stay unchanged."""

    def __init__(self, pool: Pool, epoch: Epoch, dormant_after: timedelta = timedelta(0)) -> None:
        self._pool = pool
        self._epoch = epoch
        self._dormant_after = dormant_after or None

    async def publish(self, proof: Proof, windows: Sequence[Window]) -> Published:
        """Close the windows that are still open, in a transaction; publish first runs only, no revisions."""
        async with self._pool.acquire() as connection, connection.transaction():
            publication = Publication(connection, self._epoch, proof, self._dormant_after)
            await publication.begin()
            doubts = await publication.doubts()
            await publication.replace_stages()
            closing = await not_closed(connection, windows)
            runs = await publication.publish(doubts, await first_runs(connection, self._epoch.plan, closing))
            await publication.close(closing)
        doubtful = {run.window for reasons, some in runs.by_doubts.items() if reasons for run in some}
        reasons = tuple(dict.fromkeys(reason for reasons in runs.by_doubts for reason in reasons))
        return Published(
            len(closing), runs.closed, 0, runs.pairs, completeness(reasons), len(doubtful), reasons
        )


async def workers_epoch(facts: Connection, topic: Topic, settings: Settings) -> Epoch:
    """Return the epoch that the workers count.

    Raises PreconditionError if no worker has counted yet, or if the workers' settings differ from `settings`.
    """
    current = await facts.fetchrow(sql("queries/store/epoch_current"))
    if current is None:
        raise PreconditionError(
            "no worker has run yet, so nothing is counted that could be closed: start `funnelproof worker`"
        )
    # Any beginning of a changed timezone will do: a changed timezone makes another epoch, which is refused.
    planned = await plan_windows(facts, settings.windows, settings.timezone, settings.own_timezones, EPOCH)
    epoch = epoch_of(topic, planned.plan)
    if epoch.id != current["epoch"]:
        raise PreconditionError(
            f"the workers count something else: {'; '.join(differences(current, epoch))}. Run this with the "
            "workers' settings; where the topic was made anew, start the workers again first"
        )
    return epoch
