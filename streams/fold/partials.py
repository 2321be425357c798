"""Partials in Postgres: the absolute counts and profiles of every partition, fenced by offset.

A *zombie* is a worker that was paused, lost its partitions meanwhile, and wakes up. Example: worker A holds a partition
and is paused at offset 900. Worker B takes the partition over at the log's end 1000, and claims 1000. A wakes up and
flushes offset 950: Postgres refuses, since 950 lies below the claim. Had A read on to 1000 first, A's counts would
equal B's, as folds of equal records. Postgres accepts them unless B has flushed; A must then compare all counts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import islice

from streams.domain.change import Scope
from streams.domain.partition import Delta
from streams.domain.profile import Profile, deals_in
from streams.domain.tally import TallyKey, WindowScope
from streams.domain.windows import Window, from_microseconds, to_microseconds
from streams.resources import sql
from streams.store.database import Connection, Pool, columns
from streams.store.epoch import Epoch, require_current_epoch
from streams.store.known_windows import know_windows
from streams.store.sealing import read_sealed

ROWS_AT_ONCE = 20_000
"""Counts per statement: bounds the memory and the time of a statement in a large flush."""


@dataclass(frozen=True)
class Takeover:
    """A partition's progress before a takeover: offset `told` (None before the first flush), number of `flushes`."""

    told: int | None
    flushes: int


@dataclass(frozen=True)
class DeadLetter:
    """An event that could not be applied: offset, key, value, and reason."""

    source_offset: int
    key: bytes | None
    value: bytes | None
    reason: str


@dataclass(frozen=True)
class PartitionFlush:
    """A partition's part of a flush: the changes since flush number `after`, up to `position`.

    `superseded`: for rows with dead letters, the offset of a later event that was applied, by key. `snapshots`: LSNs of
    the snapshots met in the log.
    """

    partition: int
    position: int
    after: int
    delta: Delta
    dead_letters: Sequence[DeadLetter] = ()
    superseded: Mapping[bytes, int] = field(default_factory=dict)
    snapshots: AbstractSet[int] = frozenset()


@dataclass(frozen=True)
class Flushed:
    """The outcome of a flush, by partition. Only accepted partitions were written.

    `accepted`: the new number of flushes. `refused`: a different worker has claimed the partition beyond the flush's
    position. `astray`: Postgres differs from the state that the worker left, after a restore, a failover, or a flush
    whose answer was lost; the worker must compare all counts of the partition. `ignored`: the number of late changes in
    sealed windows.
    """

    accepted: Mapping[int, int]
    refused: frozenset[int]
    astray: frozenset[int]
    ignored: int = 0


class Partials:
    """Writes and reads the partials of an epoch on behalf of a worker.

    `sealed` holds, by window kind, the end of the newest sealed window at the last flush or takeover. Counts of sealed
    windows are not written.
    """

    def __init__(self, pool: Pool, epoch: Epoch, worker: str) -> None:
        self._pool = pool
        self._epoch = epoch
        self._worker = worker
        self._last_by: dict[int, str | None] = {}
        self._known_windows: set[tuple[Window, str]] = set()
        self._known_snapshots: set[int] = set()
        self.sealed: Mapping[str, int] = {}

    async def claim(self, partition: int, end: int) -> Takeover:
        """Take a partition over at the log's `end`.

        After the claim Postgres refuses every flush from below `end`: the partials, read after the claim, cannot change
        under the new owner.
        """
        row = await self._pool.fetchrow(
            sql("queries/fold/partition_claim"), self._epoch.id, partition, end, self._worker
        )
        assert row is not None  # noqa: S101 - the statement always returns one row
        self._heed(await read_sealed(self._pool))
        self._known_windows.clear()
        self._known_snapshots.clear()
        self._last_by[partition] = row["flushed_by"]
        return Takeover(row["source_offset"], row["flushes"])

    async def read(self, partition: int) -> dict[TallyKey, Profile]:
        """Return the profiles of a partition in Postgres, by the keys of PartitionState."""
        rows = await self._pool.fetch(sql("queries/fold/partition_partials"), self._epoch.id, partition)
        return {
            TallyKey(
                WindowScope(
                    Scope(row[0], row[1]), Window(row[2], to_microseconds(row[3]), to_microseconds(row[4]))
                ),
                row[5],
                row[6],
            ): int(row[7])
            for row in rows
        }

    async def flush(self, flushes: Sequence[PartitionFlush]) -> Flushed:
        """Write the acceptable partitions in a single transaction; return the outcome by partition.

        Raises PreconditionError when a worker has begun a new epoch.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            epoch = self._epoch.id
            places = [flush.partition for flush in flushes]
            rows = await connection.fetch(sql("queries/fold/flush_lock"), epoch, places)
            locked = {row["partition"]: (row["fence"], row["flushes"], row["flushed_by"]) for row in rows}
            if len(locked) < len(flushes):
                await require_current_epoch(connection, self._epoch)
            flushed = _judge(flushes, locked, self._last_by)
            accepted = [flush for flush in flushes if flush.partition in flushed.accepted]
            if accepted:
                progress = columns((flush.partition, flush.position) for flush in accepted)
                await connection.execute(sql("queries/fold/flush_accept"), epoch, *progress, self._worker)
            self._heed(await read_sealed(connection))
            windows = await self._write_windows(connection, accepted)
            await self._write_counts(connection, accepted, flushed.accepted)
            ignored = await self._write_notes(connection, accepted, flushed.accepted)
            await self._write_dead_letters(connection, accepted)
            snapshots = await self._write_snapshots(connection, accepted)
        self._known_windows |= windows
        self._known_snapshots |= snapshots
        self._last_by.update(dict.fromkeys(flushed.accepted, self._worker))
        return replace(flushed, ignored=ignored)

    def _heed(self, sealed: Mapping[str, int]) -> None:
        if sealed != self.sealed:
            # Pruning may have removed a known window: the next flush must register the window again.
            self._known_windows.clear()
            self.sealed = sealed

    async def record_dead_letters(self, partition: int, letters: Sequence[DeadLetter]) -> None:
        """Write dead letters ahead of their flush; a letter is identified by its offset, and written once."""
        early = PartitionFlush(partition, 0, 0, Delta({}, {}), letters)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._write_dead_letters(connection, [early])

    async def _write_windows(
        self, connection: Connection, flushes: Sequence[PartitionFlush]
    ) -> set[tuple[Window, str]]:
        plan = self._epoch.plan
        told = {key.where for flush in flushes for key in flush.delta.profiles}
        windows = {(where.window, plan.tiling_of(where.scope.tenant_id)) for where in told}
        windows -= self._known_windows
        await know_windows(connection, windows)
        return windows

    async def _write_counts(
        self, connection: Connection, flushes: Sequence[PartitionFlush], numbers: Mapping[int, int]
    ) -> None:
        rows = (
            (
                flush.partition,
                numbers[flush.partition],
                *key.where.scope,
                key.where.window.name,
                from_microseconds(key.where.window.start),
                from_microseconds(key.where.window.end),
                key.from_stage,
                key.to_stage,
                deals_in(profile),
                str(profile),
            )
            for flush in flushes
            for key, profile in flush.delta.profiles.items()
        )
        while some := list(islice(rows, ROWS_AT_ONCE)):
            await connection.execute(sql("queries/fold/flush_partials"), self._epoch.id, *columns(some))

    async def _write_notes(
        self, connection: Connection, flushes: Sequence[PartitionFlush], numbers: Mapping[int, int]
    ) -> int:
        """Write the notes on ended windows; return the number of notes on sealed windows, which are only counted."""
        late = Counter(
            where.window.name
            for flush in flushes
            for where in flush.delta.notes
            if self._is_sealed(where.window)
        )
        rows = [
            (
                flush.partition,
                numbers[flush.partition],
                flush.position,
                *where.scope,
                where.window.name,
                from_microseconds(where.window.start),
                ",".join(sorted(note.causes)),
                note.lowest_lsn,
                note.highest_lsn,
            )
            for flush in flushes
            for where, note in flush.delta.notes.items()
            if not self._is_sealed(where.window)
        ]
        if rows:
            await connection.execute(sql("queries/fold/flush_notes"), self._epoch.id, *columns(rows))
        if late:
            await connection.execute(sql("queries/fold/flush_ignored"), list(late), list(late.values()))
        return late.total()

    def _is_sealed(self, window: Window) -> bool:
        return window.end <= self.sealed.get(window.name, window.start)

    async def _write_snapshots(self, connection: Connection, flushes: Sequence[PartitionFlush]) -> set[int]:
        snapshots = {lsn for flush in flushes for lsn in flush.snapshots} - self._known_snapshots
        if snapshots:
            await connection.execute(sql("queries/fold/flush_snapshot_lock"))
            await connection.execute(
                sql("queries/fold/flush_snapshots"), self._epoch.topic_id, sorted(snapshots)
            )
        return snapshots

    async def _write_dead_letters(self, connection: Connection, flushes: Sequence[PartitionFlush]) -> None:
        letters = [
            (flush.partition, letter.source_offset, letter.key, letter.value, letter.reason)
            for flush in flushes
            for letter in flush.dead_letters
        ]
        if letters:
            await connection.execute(
                sql("queries/fold/flush_dead_letters"), self._epoch.topic_id, *columns(letters)
            )
        superseded = [
            (flush.partition, offset, key) for flush in flushes for key, offset in flush.superseded.items()
        ]
        if superseded:
            await connection.execute(
                sql("queries/fold/flush_resolved"), self._epoch.topic_id, *columns(superseded)
            )


def _judge(
    flushes: Iterable[PartitionFlush],
    locked: Mapping[int, tuple[int, int, str | None]],
    last_by: Mapping[int, str | None],
) -> Flushed:
    """Judge every partition by its locked progress row: fence, number of flushes, last flusher.

    A Postgres that loses commits gives a number twice, but never twice to the same worker; the last flusher tells the
    two flushes apart. Example: A flushes as number 8, a failover loses that commit, and B flushes as number 8. A's next
    flush follows "8 by A" and Postgres has "8 by B": A is astray.
    """
    accepted: dict[int, int] = {}
    refused: set[int] = set()
    astray: set[int] = set()
    for flush in flushes:
        fence, number, by = locked.get(flush.partition, (0, -1, None))
        if flush.position < fence:
            refused.add(flush.partition)
        elif (flush.after, last_by.get(flush.partition)) != (number, by):
            astray.add(flush.partition)
        else:
            accepted[flush.partition] = number + 1
    return Flushed(accepted, frozenset(refused), frozenset(astray))
