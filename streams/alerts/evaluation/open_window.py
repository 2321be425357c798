"""The profiles of an open window, kept up with the partials: after the first reading, only what was flushed since."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import numpy as np

from streams.alerts.evaluation.streams import IDENTIFIER, STAGE, Streams
from streams.domain.detection.decoding import decode_converted, decode_entered
from streams.domain.detection.profile import BUCKETS, Profile
from streams.domain.windows import from_microseconds
from streams.resources import sql
from streams.store.database import Connection, fetch_in_batches

SECOND = 1_000_000
AHEAD = 10 * SECOND
"""Microseconds of source time before a look from which profiles are read in advance; half a bucket at most."""
MANY = 20_000
"""Partials from which on all profiles are read anew, in an installation with few streams."""
STREAMS_OF_A_PARTIAL = 3
"""With many streams: this many streams of a partition for each of these partials, a twelfth of the whole table."""

Which = tuple[UUID, int, int]
"""The epoch, and start and end of a window."""


class OpenWindow:
    """The profiles of a kind's open window. The numbers of flushes say what has changed since the last reading.

    Whoever reads in a transaction that fails makes a new object.
    """

    def __init__(self, window: str, streams: Streams) -> None:
        self._window = window
        self._streams = streams
        self._which: Which | None = None
        self._flushes: dict[int, int] = {}
        self._profile = Profile.empty(0)
        self._ahead_at = 0

    def forget(self) -> None:
        """Forget the profiles, which are large: the window has closed, or the streams are about to change."""
        self._which, self._profile = None, Profile.empty(0)

    async def read(self, connection: Connection, epoch: UUID, start: int, end: int) -> Profile:
        """Return the present profiles. The counts of the profiles returned before change with them."""
        flushes = {
            row["partition"]: row["flushes"]
            for row in await connection.fetch(sql("queries/alerts/partial_flushes"), epoch)
        }
        place = (epoch, self._window, from_microseconds(start), from_microseconds(end))
        moved = {
            partition: self._flushes.get(partition, 0)
            for partition, flush in flushes.items()
            if flush != self._flushes.get(partition, 0)
        }
        known = (list(moved), list(moved.values()))
        many = max(MANY, len(flushes) * len(self._streams) // STREAMS_OF_A_PARTIAL)
        touched = sql("queries/alerts/partial_touched")
        if (
            self._which != (epoch, start, end)
            or await connection.fetchval(touched, epoch, *known, many) >= many
        ):
            self._which, self._profile = (epoch, start, end), Profile.compact(len(self._streams))
            every = sql("queries/alerts/partial_profiles")
            await fetch_in_batches(connection, self._put, every, *place)
        elif moved:
            changes = sql("queries/alerts/partial_changes")
            await fetch_in_batches(connection, self._put, changes, *place, *known, many)
        self._flushes = flushes
        return Profile(self._profile.entered, self._profile.converted)

    async def read_ahead(
        self, connection: Connection, epoch: UUID, window: tuple[int, int], left: int, now: int
    ) -> None:
        """Read shortly before a look, so that the look has little to read.

        `left` is the time until the look, `now` the proven time of the source. A second passes between two readings.
        """
        start, end = window
        if left <= min(AHEAD, (end - start) // (2 * BUCKETS)) and now - self._ahead_at >= SECOND:
            await self.read(connection, epoch, start, end)
            self._ahead_at = now

    def _put(self, rows: Sequence[asyncpg.Record]) -> None:
        """Take the profiles of steps; from a stage to itself: entries of every stream that begins there."""
        entries = [row for row in rows if row["step"][STAGE - IDENTIFIER : STAGE] == row["step"][STAGE:]]
        if entries:
            places, which = self._streams.places_from([row["step"][:STAGE] for row in entries])
            self._profile.entered[places] = decode_entered([row["profile"] for row in entries])[which]
        places = self._streams.places([row["step"] for row in rows])
        known = np.flatnonzero(places >= 0)
        if len(known):
            converted = decode_converted([rows[at]["profile"] for at in known.tolist()])
            self._profile = self._profile.put(places[known], converted)
