"""Profiles read from Postgres into arrays, one row a stream of a watch."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from uuid import UUID

import asyncpg
import numpy as np

from streams.alerts.evaluation.streams import STAGE, Streams
from streams.alerts.scope import Stream
from streams.domain.change import Scope
from streams.domain.detection.decoding import decode
from streams.domain.detection.profile import Profile, Rows
from streams.domain.windows import from_microseconds, to_microseconds
from streams.resources import sql
from streams.store.database import Connection, fetch_in_batches, plain_uuid

WINDOWS_AT_ONCE = 24
"""Windows of history that are read at once, at most: a day of hours."""
STREAMS_AT_ONCE = 50_000
"""Streams that are read at once in all windows together, where a single window has no more: 30 MB of profiles."""


@dataclass(frozen=True)
class ClosedWindow:
    """A closed window; `is_estimated`: the counts are not proven, and say nothing."""

    start: int
    end: int
    is_estimated: bool


@dataclass(frozen=True)
class Change:
    """Profiles of a closed window that were published again: as they were, and as they are, of some streams."""

    start: int
    rows: Rows
    before: Profile
    after: Profile


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
            profiles = {from_microseconds(each.start): Profile.compact(len(self.streams)) for each in some}
            await fetch_in_batches(
                connection,
                partial(self._put, profiles),
                sql("queries/alerts/run_profiles"),
                self.window,
                from_microseconds(some[0].start),
                from_microseconds(some[-1].start),
                self.tiling,
                self.pipelines,
            )
            yield list(zip(some, profiles.values(), strict=True))
            del profiles  # profiles of many streams are large: forgotten before the next are made

    def _put(self, profiles: dict[datetime, Profile], rows: Iterable[asyncpg.Record]) -> None:
        """Put rows into the profiles of their windows."""
        for start, group in groupby(rows, lambda row: row[0]):
            if start in profiles:
                profiles[start] = self._put_in(profiles[start], group)

    def _put_in(self, profile: Profile, rows: Iterable[asyncpg.Record]) -> Profile:
        """Put in the profiles of some streams, from rows with a pair's entries and conversions: see `Profile.put`."""
        at, found = self._placed(rows)
        if not found:
            return profile
        some = decode([row["entered"] for row in found], [row["converted"] for row in found])
        profile.entered[at] = some.entered
        return profile.put(at, some.converted)

    def _placed(self, rows: Iterable[asyncpg.Record]) -> tuple[Rows, list[asyncpg.Record]]:
        """Return the places of the streams' rows, and these rows.

        Entries into a stage stand in the row of every pair that begins there.
        """
        every = list(rows)
        places = self.streams.places([row["pair"] for row in every])
        lacking = np.flatnonzero(places < 0)
        places[lacking] = self.streams.places([every[at]["pair"][:STAGE] for at in lacking.tolist()])
        held = np.flatnonzero(places >= 0)
        return places[held], [every[at] for at in held.tolist()]

    async def changes(self, connection: Connection, last: int, after: int, until: int) -> list[Change]:
        """Return the changes that were published after one proof and until another, to windows up to `last`."""
        found: dict[datetime, list[_Piece]] = {}

        def take(rows: Iterable[asyncpg.Record]) -> None:
            for start, group in groupby(rows, lambda row: row["window_start"]):
                found.setdefault(start, []).append(_piece(*self._placed(group)))

        await fetch_in_batches(
            connection,
            take,
            sql("queries/alerts/changed_profiles"),
            self.window,
            from_microseconds(last),
            after,
            until,
            self.tiling,
        )
        return [_change(to_microseconds(start), pieces) for start, pieces in found.items()]

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


_Piece = tuple[Rows, Profile, Profile]
"""The rows of some streams, and the streams' profiles before and after a change."""


def _piece(places: Rows, rows: Sequence[asyncpg.Record]) -> _Piece:
    before, after = (
        decode([row[f"entered_{when}"] for row in rows], [row[f"converted_{when}"] for row in rows])
        for when in ("before", "after")
    )
    return places, before, after


def _change(start: int, pieces: Sequence[_Piece]) -> Change:
    """Return the change of a window: a row a stream.

    Entries into a stage come once for every pair that begins there. A pair that was not reported on has none.
    """
    places, which = np.unique(np.concatenate([piece[0] for piece in pieces]), return_inverse=True)
    before, after = Profile.empty(len(places)), Profile.empty(len(places))
    parts = (before, [piece[1] for piece in pieces]), (after, [piece[2] for piece in pieces])
    for whole, some in parts:
        np.maximum.at(whole.entered, which, np.concatenate([each.entered for each in some]))
        whole.converted[which] = np.concatenate([each.converted for each in some])
    return Change(start, places.astype(np.intp), before, after)


def _instant(after: int | None) -> datetime:
    return (
        datetime.min.replace(tzinfo=from_microseconds(0).tzinfo)
        if after is None
        else from_microseconds(after)
    )
