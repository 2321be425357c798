"""Windows that ended before the installation: nobody's business until they are asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from streams.cdc.topics import Topic
from streams.domain.plan import WindowPlan
from streams.domain.windows import Window, WindowKind, to_microseconds
from streams.errors import PreconditionError
from streams.facts.database import Connection
from streams.facts.epoch import STATE_FORMAT, Epoch
from streams.facts.sealing import read_sealed
from streams.facts.timezones import recorded_plan
from streams.resources import sql
from streams.settings import Settings

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
    facts: Connection,
    plan: WindowPlan,
    names: Sequence[str],
    start: datetime,
    end: datetime,
    installed_at: datetime,
) -> HistoricWindows:
    """Return the windows that lie wholly within `[start, end)`, for any tenant, and ended by the installation.

    Raises PreconditionError where they are too many for one backfill.
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
    rows = await facts.fetch(sql("queries/backfill_closed"), names, start, until)
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


async def workers_epoch(facts: Connection, topic: Topic, settings: Settings) -> Epoch:
    """Return the epoch that the workers count.

    Raises PreconditionError where no worker has counted yet, or where they count something else than `settings` say.
    """
    current = await facts.fetchrow(sql("queries/epoch_current"))
    if current is None:
        raise PreconditionError(
            "no worker has run yet, so nothing is counted that could be closed: start `funnelproof worker`"
        )
    plan = await recorded_plan(facts, current["windows"])
    own = {str(tenant): zone for tenant, zone in settings.tenant_timezones.items()}
    theirs = {tenant: zones[-1].timezone for tenant, zones in plan.tenants.items()}
    told = [
        ("FUNNELPROOF_WINDOWS", ",".join(plan.names), ",".join(settings.windows)),
        ("FUNNELPROOF_TIMEZONE", plan.zones[-1].timezone, settings.timezone),
        # A tenant that had a timezone of its own, and has no more, keeps a row.
        (
            "FUNNELPROOF_TENANT_TIMEZONES",
            _pairs(theirs),
            _pairs(dict.fromkeys(theirs, settings.timezone) | own),
        ),
        ("the topic (FUNNELPROOF_TOPIC_PREFIX)", current["topic"], topic.name),
        ("the topic's number of partitions", current["partitions"], topic.partitions),
        ("the topic's id", current["topic_id"], topic.topic_id),
        ("the format of counts", current["state_format"], STATE_FORMAT),
    ]
    differences = [f"{what} is {there} there and {here} here" for what, there, here in told if there != here]
    if differences:
        raise PreconditionError(
            f"the workers count something else: {'; '.join(differences)}. Run this with the workers' settings; "
            "where the topic was made anew, start the workers again first"
        )
    return Epoch(topic.name, topic.topic_id, topic.partitions, plan)


def _pairs(zones: Mapping[str, str]) -> str:
    return ",".join(f"{tenant}={zone}" for tenant, zone in sorted(zones.items())) or "not set"
