"""A pipeline's funnel: its windows, and the counts of its pairs in one of the windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from streams.web.database import Reading
from streams.web.errors import MalformedError, UnknownError
from streams.web.intervals import change_interval, rate_interval
from streams.web.model import Change, Counts, Funnel, Pair, Window
from streams.web.place import Compare
from streams.web.profiles import Told, read_told

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """A pipeline in windows of a kind, as a reader sees it."""

    tenant_id: UUID
    pipeline_id: UUID
    window: str
    tiling: str = ""
    timezone: str = "UTC"
    tenant: str | None = None
    pipeline: str | None = None

    @property
    def where(self) -> dict[str, str]:
        """Tenant, pipeline and kind of window, as a log names them."""
        return {"tenant": str(self.tenant_id), "pipeline": str(self.pipeline_id), "window": self.window}


async def find(read: Reading, tenant_id: UUID, pipeline_id: UUID, window: str) -> Place:
    """Return the place. Raises UnknownError for a pipeline that the reader does not see or that does not exist.

    Raises MalformedError for a kind of window that is not counted.
    """
    pipeline = await read.row("pipeline", tenant_id, pipeline_id)
    if pipeline is None:
        raise UnknownError("there is no such pipeline")
    kinds = await window_kinds(read)
    if window not in kinds:
        raise MalformedError(f"is no window that is counted: {', '.join(kinds) or 'none yet'}", "window")
    return Place(tenant_id, pipeline_id, window, **pipeline)


async def window_kinds(read: Reading) -> list[str]:
    """Return the names of the kinds of windows that are counted."""
    return [row["window_name"] for row in await read.rows("window_kinds")]


async def open_windows(read: Reading, place: Place) -> list[Window]:
    """Return the windows that have begun and are not closed, the newest first."""
    rows = await read.rows("open_windows", place.window, place.tiling)
    return [
        Window(
            window=place.window,
            start=row["window_start"],
            end=row["window_end"],
            state="closing" if row["has_ended"] else "open",
        )
        for row in rows
    ]


async def closed_windows(read: Reading, place: Place, before: datetime, most: int) -> list[Window]:
    """Return the closed windows that begin before an instant, the newest first, `most` at most."""
    rows = await read.rows("latest_runs", place.tenant_id, place.pipeline_id, place.window, before, most)
    return await with_history(read, place, rows)


async def with_history(read: Reading, place: Place, rows: Sequence[Mapping[str, Any]]) -> list[Window]:
    """Return the windows of the latest runs `rows`, with the first close and the causes of all revisions."""
    revised = [row["window_start"] for row in rows if row["revision"] > 1]
    runs = (
        await read.rows("revisions", place.tenant_id, place.pipeline_id, place.window, revised)
        if revised
        else []
    )
    earlier: dict[datetime, list[Mapping[str, Any]]] = {}
    for run in runs:
        earlier.setdefault(run["window_start"], []).append(run)
    return [_closed(row, earlier.get(row["window_start"], [row])) for row in rows]


def _closed(latest: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> Window:
    closed_at = min(run["published_at"] for run in runs)
    return Window(
        window=latest["window_name"],
        start=latest["window_start"],
        end=latest["window_end"],
        state="closed",
        run_id=latest["run_id"],
        revision=latest["revision"],
        completeness=latest["completeness"],
        reasons=latest["reasons"],
        source_lsn=latest["source_lsn"],
        closed_at=closed_at,
        closed_after=(closed_at - latest["window_end"]).total_seconds(),
        published_at=latest["published_at"],
        causes=tuple(sorted({cause for run in runs for cause in run["causes"]})),
    )


async def window_at(read: Reading, place: Place, at: datetime | None) -> Window:
    """Return the window that holds the instant; without an instant the newest that has begun.

    Raises UnknownError where the pipeline has no such window.
    """
    running = await open_windows(read, place)
    closed = await closed_windows(read, place, END_OF_TIME if at is None else _just_after(at), 1)
    for window in [*running, *closed]:
        if at is None or window.start <= at < window.end:
            return window
    sealed = await read.row("sealed", place.window)
    if at is not None and sealed is not None and at < sealed["sealed_until"]:
        raise UnknownError(
            f"windows of the kind {place.window} are kept for a time only: those that ended by "
            f"{sealed['sealed_until'].isoformat()} are deleted"
        )
    raise UnknownError("the pipeline has no window at this instant")


async def read_funnel(read: Reading, place: Place, at: datetime | None, compare: Compare) -> Funnel:
    """Return the funnel of a window. Raises UnknownError where the pipeline has no window at the instant."""
    window = await window_at(read, place, at)
    counted = await count(read, place, window)
    former = await closed_windows(read, place, window.start, 1) if compare == "previous" else []
    before = await count(read, place, former[0]) if former else []
    pulse = await read.row("pulse") if window.run_id is None else None
    keys = [(pair.from_stage_id, pair.to_stage_id) for pair in counted]
    told = await read_told(read, (place.tenant_id, place.pipeline_id), place.tiling, window, keys, pulse)
    return Funnel(
        tenant_id=place.tenant_id,
        pipeline_id=place.pipeline_id,
        window=window,
        compared_with=former[0] if former else None,
        as_of=pulse["as_of"] if pulse else None,
        pairs=compared(_with(counted, told), before, is_closed=window.run_id is not None),
    )


async def count(read: Reading, place: Place, window: Window) -> list[Pair]:
    """Return the pairs of a window with their counts: the run's facts, or what is folded of an open window."""
    if window.run_id is not None:
        return pairs_of(await read.rows("facts", place.tenant_id, [window.run_id]))
    scope = place.tenant_id, place.pipeline_id, place.window
    return pairs_of(await read.rows("live_counts", *scope, window.start, window.end))


def pairs_of(rows: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Return the pairs of rows of `facts` or `live_counts`, in their order."""
    return [
        Pair(
            from_stage_id=row["from_stage_id"],
            from_stage=row["from_stage"],
            to_stage_id=row["to_stage_id"],
            to_stage=row["to_stage"],
            counts=counts_of(row["entered"], row["converted"]),
        )
        for row in rows
    ]


def _with(pairs: Sequence[Pair], told: Told) -> list[Pair]:
    """Return the pairs with the figures of the profiles."""
    return [
        pair.model_copy(
            update={
                "time_to_convert": told.times[pair.from_stage_id, pair.to_stage_id],
                "expected": told.expected.get((pair.from_stage_id, pair.to_stage_id)),
            }
        )
        for pair in pairs
    ]


def counts_of(entered: int, converted: int) -> Counts:
    """Return the counts with rate and interval."""
    if entered == 0:
        return Counts(entered=0, converted=converted)
    interval = rate_interval(converted, entered)
    rate = converted / entered
    return Counts(entered=entered, converted=converted, rate=rate, low=interval.low, high=interval.high)


def compared(pairs: Sequence[Pair], before: Sequence[Pair], *, is_closed: bool) -> tuple[Pair, ...]:
    """Return `pairs` with the counts of the same pairs before, and with the changes between two closed windows."""
    former = {(pair.from_stage_id, pair.to_stage_id): pair.counts for pair in before}
    first = pairs[0].counts.entered if pairs else 0
    result = []
    for pair in pairs:
        then = former.get((pair.from_stage_id, pair.to_stage_id))
        result.append(
            pair.model_copy(
                update={
                    "of_first": pair.counts.converted / first if first else None,
                    "before": then,
                    "change": _change(pair.counts, then) if is_closed and then else None,
                }
            )
        )
    return tuple(result)


def _change(now: Counts, then: Counts) -> Change | None:
    if now.rate is None or then.rate is None:
        return None
    interval = change_interval((now.converted, now.entered), (then.converted, then.entered))
    return Change(points=now.rate - then.rate, low=interval.low, high=interval.high)


def _just_after(instant: datetime) -> datetime:
    """Return the next instant that Postgres tells apart."""
    return instant + datetime.resolution
