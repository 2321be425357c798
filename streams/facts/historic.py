"""Windows that ended before the installation: nobody's business until they are asked for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from streams.domain.windows import Window, WindowKind, to_microseconds
from streams.errors import PreconditionError
from streams.facts.database import Connection
from streams.facts.epoch import STATE_FORMAT, Epoch
from streams.facts.sealing import read_sealed
from streams.resources import sql

WINDOWS_AT_MOST = 2_000_000
"""Windows that one backfill works through; they are kept in memory."""


@dataclass(frozen=True)
class HistoricWindows:
    """The windows of a span that a backfill is to close, oldest first, and why others of the span are not.

    `already_closed` are closed, `sealed` past their retention; what ended since the installation is the closer's.
    """

    open: Sequence[Window]
    already_closed: int
    sealed: int


async def historic_windows(
    facts: Connection, kinds: Sequence[WindowKind], start: datetime, end: datetime, installed_at: datetime
) -> HistoricWindows:
    """Return the windows that lie wholly within `[start, end)` and ended by the installation.

    Raises PreconditionError where they are too many for one backfill.
    """
    until = min(end, installed_at)
    lying = _lying_within(kinds, to_microseconds(start), to_microseconds(until))
    windows = list(islice(lying, WINDOWS_AT_MOST + 1))
    if len(windows) > WINDOWS_AT_MOST:
        raise PreconditionError(
            f"more than {WINDOWS_AT_MOST:,} windows lie in that span: backfill a shorter one at a time, "
            "or name one kind with --window"
        )
    names = [kind.name for kind in kinds]
    rows = await facts.fetch(sql("queries/backfill_closed"), names, start, until)
    closed = {(row["window_name"], to_microseconds(row["window_start"])) for row in rows}
    sealed = await read_sealed(facts)
    kept = [window for window in windows if window.end > sealed.get(window.name, window.start)]
    still_open = [window for window in kept if (window.name, window.start) not in closed]
    still_open.sort(key=lambda window: (window.end, window.name))
    return HistoricWindows(still_open, len(kept) - len(still_open), len(windows) - len(kept))


def _lying_within(kinds: Iterable[WindowKind], start: int, until: int) -> Iterator[Window]:
    for kind in kinds:
        for window in kind.windows_ending_in(start, until):
            if window.start >= start:
                yield window


async def require_workers_epoch(facts: Connection, epoch: Epoch) -> None:
    """Raise PreconditionError where no worker has counted yet, or counts something else than `epoch`."""
    current = await facts.fetchrow(sql("queries/epoch_current"))
    if current is None:
        raise PreconditionError(
            "no worker has run yet, so nothing is counted that could be closed: start `funnelproof worker`"
        )
    if current["epoch"] == epoch.id:
        return
    told = [
        ("FUNNELPROOF_WINDOWS", ",".join(current["windows"]), ",".join(epoch.windows)),
        ("FUNNELPROOF_TIMEZONE", current["timezone"], epoch.timezone),
        ("the topic (FUNNELPROOF_TOPIC_PREFIX)", current["topic"], epoch.topic),
        ("the topic's number of partitions", current["partitions"], epoch.partitions),
        ("the topic's id", current["topic_id"], epoch.topic_id),
        ("the format of counts", current["state_format"], STATE_FORMAT),
    ]
    differences = [
        f"{what} is {theirs} there and {ours} here" for what, theirs, ours in told if theirs != ours
    ]
    raise PreconditionError(
        f"the workers count something else: {'; '.join(differences)}. Run this with the workers' settings; "
        "where the topic was made anew, start the workers again first"
    )
