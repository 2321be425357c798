"""Profiles read from Postgres into arrays, one row a stream of a watch."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from uuid import UUID

import asyncpg
import numpy as np

from streams.alerts.scope import Stream
from streams.domain.change import Scope
from streams.domain.detection.decoding import decode
from streams.domain.detection.profile import Profile
from streams.domain.windows import from_microseconds, to_microseconds
from streams.resources import sql
from streams.store.database import Connection, plain_uuid

WINDOWS_AT_ONCE = 24
"""Windows of history that are read at once, at most: a day of hours."""
STREAMS_AT_ONCE = 50_000
"""Streams that are read at once in all windows together, where a single window has no more: 100 MB of rows."""
IDENTIFIER = 16
"""Bytes of an identifier in a key."""
STAGE = 3 * IDENTIFIER
"""Bytes of a key up to the first stage."""


@dataclass(frozen=True)
class ClosedWindow:
    """A closed window; `is_estimated`: the counts are not proven, and say nothing."""

    start: int
    end: int
    is_estimated: bool


@dataclass(frozen=True)
class Change:
    """Profiles of a closed window that were published again: as they were, and as they are."""

    start: int
    before: Profile
    after: Profile


@dataclass(frozen=True)
class Streams:
    """The streams of a watch, and the row of each: of a pair, and of all streams that begin with a stage.

    Keys are identifiers as Postgres sends them, one behind the other: tenant, pipeline, stages.
    """

    streams: Sequence[Stream]
    of_pair: Mapping[bytes, int] = field(init=False)
    of_stage: Mapping[bytes, Sequence[int]] = field(init=False)

    def __post_init__(self) -> None:
        """Make the indexes."""
        of_stage: dict[bytes, list[int]] = {}
        pairs: dict[bytes, int] = {}
        for row, stream in enumerate(self.streams):
            key = key_of(stream)
            pairs[key] = row
            of_stage.setdefault(key[:STAGE], []).append(row)
        object.__setattr__(self, "of_pair", pairs)
        object.__setattr__(self, "of_stage", of_stage)

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self.streams)

    def profile(self, rows: Iterable[asyncpg.Record], *, suffix: str = "") -> Profile:
        """Return the profiles of all streams, from rows with a pair's entries and conversions."""
        found = list(self._placed(rows))
        profile = Profile.empty(len(self))
        if found:
            at = np.array([place for place, _ in found])
            decoded = decode(
                [row[f"entered{suffix}"] for _, row in found], [row[f"converted{suffix}"] for _, row in found]
            )
            profile.entered[at], profile.converted[at] = decoded.entered, decoded.converted
        return profile

    def _placed(self, rows: Iterable[asyncpg.Record]) -> Iterator[tuple[int, asyncpg.Record]]:
        """Yield the streams' rows; entries into a stage stand in the row of every pair that begins there."""
        for row in rows:
            place = self.of_pair.get(row["pair"])
            if place is None:
                place = self.of_pair.get(row["pair"][:STAGE])
            if place is not None:
                yield place, row


def key_of(stream: Stream) -> bytes:
    """Return the key of a stream: without a second stage, the key has three identifiers."""
    identifiers = (*stream.scope, stream.from_stage, stream.to_stage)
    return b"".join(UUID(each).bytes for each in identifiers if each is not None)


@dataclass(frozen=True)
class Reader:
    """Reads the windows of a kind and tiling. `pipelines`: history is read of these alone; None: of all."""

    window: str
    tiling: str
    streams: Streams
    pipelines: Sequence[UUID] | None = None

    async def closed(self, connection: Connection, after: int | None) -> list[ClosedWindow]:
        """Return the closed windows that start after an instant (microseconds; None: all), the oldest first."""
        rows = await connection.fetch(
            sql("queries/alerts/closed_windows"), self.window, self.tiling, _instant(after)
        )
        return [ClosedWindow(to_microseconds(start), to_microseconds(end), bad) for start, end, bad in rows]

    async def next_open(self, connection: Connection, after: int | None) -> tuple[int, int] | None:
        """Return start and end of the oldest open window that starts after an instant; None if there is none."""
        row = await connection.fetchrow(
            sql("queries/alerts/open_window"), self.window, self.tiling, _instant(after)
        )
        return None if row is None else (to_microseconds(row[0]), to_microseconds(row[1]))

    async def history(
        self, connection: Connection, windows: Sequence[ClosedWindow]
    ) -> AsyncIterator[list[tuple[ClosedWindow, Profile]]]:
        """Yield closed windows with their profiles, some at once."""
        at_once = max(1, min(WINDOWS_AT_ONCE, STREAMS_AT_ONCE // max(1, len(self.streams))))
        for place in range(0, len(windows), at_once):
            some = windows[place : place + at_once]
            rows = await connection.fetch(
                sql("queries/alerts/run_profiles"),
                self.window,
                from_microseconds(some[0].start),
                from_microseconds(some[-1].start),
                self.tiling,
                self.pipelines,
            )
            by_start = {
                to_microseconds(start): list(group) for start, group in groupby(rows, lambda row: row[0])
            }
            yield [(window, self.streams.profile(by_start.get(window.start, ()))) for window in some]

    async def changes(self, connection: Connection, last: int, after: int, until: int) -> list[Change]:
        """Return the changes that were published after one proof and until another, to windows up to `last`."""
        rows = await connection.fetch(
            sql("queries/alerts/changed_profiles"),
            self.window,
            from_microseconds(last),
            after,
            until,
            self.tiling,
        )
        changes = []
        for start, group in groupby(rows, lambda row: row["window_start"]):
            some = list(group)
            changes.append(
                Change(
                    to_microseconds(start),
                    self.streams.profile(some, suffix="_before"),
                    self.streams.profile(some, suffix="_after"),
                )
            )
        return changes

    async def any_history(self, connection: Connection, streams: Sequence[Stream], since: int | None) -> bool:
        """Return True if one of these streams has profiles in a closed window that starts at an instant or later."""
        if not streams or since is None:
            return False
        found: bool = await connection.fetchval(
            sql("queries/alerts/any_history"),
            self.window,
            from_microseconds(since),
            [stream.scope.tenant_id for stream in streams],
            [stream.scope.pipeline_id for stream in streams],
            [stream.from_stage for stream in streams],
            [stream.to_stage for stream in streams],
        )
        return found

    async def runs(
        self, connection: Connection, start: int, scopes: Iterable[Scope]
    ) -> Mapping[Scope, tuple[UUID, int]]:
        """Return the latest run of a closed window for each scope, and the run's revision."""
        wanted = sorted(set(scopes))
        rows = await connection.fetch(
            sql("queries/alerts/runs_of"),
            self.window,
            from_microseconds(start),
            [scope.tenant_id for scope in wanted],
            [scope.pipeline_id for scope in wanted],
        )
        return {
            Scope(row["tenant_id"], row["pipeline_id"]): (plain_uuid(row["run_id"]), row["revision"])
            for row in rows
        }


def _instant(after: int | None) -> datetime:
    return (
        datetime.min.replace(tzinfo=from_microseconds(0).tzinfo)
        if after is None
        else from_microseconds(after)
    )
