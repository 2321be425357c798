"""Partials in Postgres: each partition's absolute counts, fenced by the offset they stand for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from streams.domain.change import Scope
from streams.domain.partition import Delta
from streams.domain.tally import TallyKey, WindowScope
from streams.domain.windows import Window, WindowKind, from_microseconds, to_microseconds
from streams.errors import PreconditionError
from streams.facts.database import Connection, Pool
from streams.facts.epoch import STATE_FORMAT, Epoch, require_current_epoch
from streams.resources import sql

PASSING_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
)
"""What a Postgres that restarts, cannot be reached or rolls back by itself (deadlocks) raises: try again."""


@dataclass(frozen=True)
class DeadLetter:
    """An event that could not be applied, where it was met, and why."""

    source_offset: int
    key: bytes | None
    value: bytes | None
    reason: str


@dataclass(frozen=True)
class PartitionFlush:
    """What one partition has to tell: its fold up to `position`, as changes since the last flush."""

    partition: int
    position: int
    delta: Delta
    dead_letters: Sequence[DeadLetter] = ()
    superseded: Mapping[bytes, int] = field(default_factory=dict)


class Partials:
    """Writes and reads one epoch's partials on behalf of one worker."""

    def __init__(self, pool: Pool, epoch: Epoch, worker: str) -> None:
        self._pool = pool
        self._epoch = epoch
        self._worker = worker
        self._known_windows: set[Window] = set()

    async def begin(self) -> None:
        """Make this worker's epoch the current one; raises PreconditionError before `migrate`."""
        epoch = self._epoch
        row = await self._pool.fetchrow(
            sql("queries/epoch_begin"),
            epoch.id,
            epoch.topic,
            epoch.topic_id,
            epoch.partitions,
            list(epoch.windows),
            epoch.timezone,
            STATE_FORMAT,
        )
        if row is None:
            raise PreconditionError("the report database is not set up: run `funnelproof migrate`")

    async def claim(self, partition: int, end: int) -> int | None:
        """Take a partition over at the log's `end`; return how far Postgres was told, None if never.

        From here on no flush from below `end` is accepted, so what is read after this cannot change under us.
        """
        row = await self._pool.fetchrow(
            sql("queries/partition_claim"), self._epoch.id, partition, end, self._worker
        )
        offset: int | None = row["source_offset"] if row else None
        return offset

    async def read(self, partition: int, kinds: Iterable[WindowKind]) -> dict[TallyKey, int]:
        """Return what Postgres holds of a partition, by the keys its state uses."""
        by_name = {kind.name: kind for kind in kinds}
        rows = await self._pool.fetch(sql("queries/partition_partials"), self._epoch.id, partition)
        return {
            TallyKey(
                WindowScope(Scope(row[0], row[1]), by_name[row[2]].window_at(to_microseconds(row[3]))),
                row[4],
                row[5],
            ): row[6]
            for row in rows
        }

    async def flush(self, flushes: Sequence[PartitionFlush]) -> set[int]:
        """Write in one transaction; return the partitions that were accepted.

        A partition is refused when another worker has claimed it from further on. Raises PreconditionError when
        another worker has begun another epoch.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            epoch = self._epoch.id
            places = [flush.partition for flush in flushes]
            positions = [flush.position for flush in flushes]
            await connection.fetch(sql("queries/flush_lock"), epoch, places)
            rows = await connection.fetch(sql("queries/flush_accept"), epoch, places, positions, self._worker)
            numbers = {row["partition"]: row["flushes"] for row in rows}
            if len(numbers) < len(flushes):
                await require_current_epoch(connection, self._epoch)
            accepted = [flush for flush in flushes if flush.partition in numbers]
            windows = await self._write_windows(connection, accepted)
            await self._write_counts(connection, accepted, numbers)
            await self._write_notes(connection, accepted, numbers)
            await self._write_dead_letters(connection, accepted)
        self._known_windows |= windows
        return set(numbers)

    async def _write_windows(self, connection: Connection, flushes: Sequence[PartitionFlush]) -> set[Window]:
        windows = {key.where.window for flush in flushes for key in flush.delta.counts} - self._known_windows
        if windows:
            await connection.execute(
                sql("queries/flush_windows"),
                *_columns((w.name, from_microseconds(w.start), from_microseconds(w.end)) for w in windows),
            )
        return windows

    async def _write_counts(
        self, connection: Connection, flushes: Sequence[PartitionFlush], numbers: Mapping[int, int]
    ) -> None:
        rows = [
            (
                flush.partition,
                numbers[flush.partition],
                *key.where.scope,
                key.where.window.name,
                from_microseconds(key.where.window.start),
                key.from_stage,
                key.to_stage,
                count,
            )
            for flush in flushes
            for key, count in flush.delta.counts.items()
        ]
        if rows:
            await connection.execute(sql("queries/flush_partials"), self._epoch.id, *_columns(rows))

    async def _write_notes(
        self, connection: Connection, flushes: Sequence[PartitionFlush], numbers: Mapping[int, int]
    ) -> None:
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
        ]
        if rows:
            await connection.execute(sql("queries/flush_notes"), self._epoch.id, *_columns(rows))

    async def _write_dead_letters(self, connection: Connection, flushes: Sequence[PartitionFlush]) -> None:
        letters = [
            (flush.partition, letter.source_offset, letter.key, letter.value, letter.reason)
            for flush in flushes
            for letter in flush.dead_letters
        ]
        if letters:
            await connection.execute(
                sql("queries/flush_dead_letters"), self._epoch.topic_id, *_columns(letters)
            )
        superseded = [
            (flush.partition, offset, key) for flush in flushes for key, offset in flush.superseded.items()
        ]
        if superseded:
            await connection.execute(
                sql("queries/flush_resolved"), self._epoch.topic_id, *_columns(superseded)
            )


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
