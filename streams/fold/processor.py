"""The centre of a worker: folds the worker's partitions, and flushes their counts to Postgres.

Takeover of a partition: read the log's end, claim the partition in Postgres from that end, read the partials, replay
the log to that end, then write the counts that differ. Equal steps repair a Postgres restored from a backup.

Counts are published only after the replay, since a compacted log passes through states that never existed. Example:
row 1 says "deal entered A" (offset 10), row 2 "deal entered B" (offset 20), and at offset 30 row 1 is corrected to an
earlier entry. Compaction removes offset 10. A replay at offset 20 has an entry into B and none into A, though the deal
had entered A before. At the log's end every row's newest record has been read, and the state is right.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

import structlog

from streams.cdc.envelope import ChangeDecoder, MalformedEventError, hides_former_deal
from streams.cdc.folded import FoldedTopic, require_counted, require_records
from streams.cdc.restatement import own_key
from streams.domain.codes import Vocabulary
from streams.domain.partition import PartitionState
from streams.domain.plan import WindowPlan
from streams.engine import PartitionRecords, Record
from streams.fold.checkpoint import Checkpoint
from streams.fold.checkpointing import Checkpointing
from streams.fold.intake import Intake
from streams.fold.observed import FlushTarget
from streams.fold.owned import OwnedPartition
from streams.fold.partials import DeadLetter, PartitionFlush
from streams.store.keep_trying import Trouble, keep_trying

log = structlog.get_logger(__name__)

HEARTBEAT = 1.0
"""Seconds after which an idle worker writes progress, to keep `as_of` in the live view fresh."""
FEW_RECORDS = 32
"""Records with a malformed event among them are halved down to this number, then applied singly."""
_RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Processor:
    """Applies records and flushes counts; a worker has a single processor.

    `records`, `changes` (records that changed an entry) and `dead_letters` are totals since the start; `vocabulary`
    translates the codes in the state.
    """

    def __init__(
        self,
        topic: FoldedTopic,
        partials: FlushTarget,
        checkpointing: Checkpointing,
        plan: WindowPlan,
        flush_interval: float,
    ) -> None:
        self._topic = topic
        self._partials = partials
        self._checkpointing = checkpointing
        self._plan = plan
        self._interval = flush_interval
        self.vocabulary = Vocabulary()
        self._decoder = ChangeDecoder(self.vocabulary)
        self._owned: dict[int, OwnedPartition] = {}
        self._intake = Intake(lambda: sum(len(owned.dead_letters) for owned in self._owned.values()))
        self._flushing = asyncio.Lock()
        self._changed = asyncio.Event()
        self.records = self.changes = self.dead_letters = 0

    @property
    def owned(self) -> Mapping[int, OwnedPartition]:
        """The partitions held now, by number; for reading only."""
        return self._owned

    @property
    def partitions(self) -> set[int]:
        """The numbers of the partitions held now."""
        return set(self._owned)

    async def on_assigned(self, partitions: set[int]) -> dict[int, int]:
        """Take over `partitions`, drop the remaining ones; return the next offset to read, by partition.

        Raises RecordsLostError if the log lacks records that the worker has not read, or records counted before.
        """
        async with self._flushing:  # a flush under way ends first, and its outcome is known
            return await self._take_over(partitions)

    async def _take_over(self, partitions: set[int]) -> dict[int, int]:
        for partition in self._owned.keys() - partitions:
            del self._owned[partition]
        name = self._topic.name
        starts = await self._topic.starts(name, partitions)
        ends = await self._topic.ends(name, partitions, committed=True)
        for partition in sorted(partitions):
            kept = self._owned.get(partition)
            state, poisoned = (
                (kept.state, kept.poisoned) if kept else await self._resume(partition, ends[partition])
            )
            require_records(name, partition, state.position, starts[partition], ends[partition])
            before = await self._partials.claim(partition, ends[partition])
            require_counted(name, partition, before.told, ends[partition])
            known = await self._partials.read(partition)
            due = kept.checkpoint_due if kept else self._checkpointing.next_due()
            owned = OwnedPartition(
                state, ends[partition], before.told or 0, before.flushes, known, due, poisoned=poisoned
            )
            if kept:  # unflushed events lie before the position: no replay will meet them again
                owned.dead_letters, owned.superseded = kept.dead_letters, kept.superseded
                owned.snapshots = kept.snapshots
            self._owned[partition] = owned
            self._activate_when_replayed(owned)
        self._changed.set()
        return {partition: self._owned[partition].state.position for partition in partitions}

    async def on_revoked(self, *, stopping: bool = False) -> None:
        """Flush before new owners take over; keep the state, in case the partitions return.

        A `stopping` worker also leaves checkpoints for its successor.
        """
        await self.flush(checkpoint=self._owned.keys() if stopping else ())
        if stopping:
            await self._checkpointing.save()

    async def ready(self) -> None:
        """Wait while Postgres is unreachable or falls behind: reading ahead would only fill the memory."""
        await self._intake.ready()

    def apply(self, parts: Iterable[PartitionRecords]) -> None:
        """Fold records into the states of their partitions, without an await: state and position always agree."""
        for part in parts:
            owned = self._owned.get(part.partition)
            if owned is None or part.next_offset <= owned.state.position:
                continue
            records = part.records
            if records and records[0].offset < owned.state.position:
                records = [record for record in records if record.offset >= owned.state.position]
            self.records += len(records)
            for first in range(0, len(records), self._decoder.records_at_once):
                some = records[first : first + self._decoder.records_at_once]
                self.changes += self._apply_records(owned, some)
            owned.snapshots |= self._decoder.drain_snapshots()
            owned.state.position = part.next_offset
            self._activate_when_replayed(owned)
        self._changed.set()

    async def flush(self, checkpoint: Collection[int] = ()) -> dict[int, int]:
        """Write every active partition's changes and progress; return the positions accepted by Postgres.

        A partition in `checkpoint` is saved in the state of this flush, after acceptance. A checkpoint ahead of
        Postgres would lose dead letters and causes: a replay begins behind them.
        """
        async with self._flushing:
            with self._intake.flushing():
                return await self._flush(checkpoint)

    async def _flush(self, checkpoint: Collection[int]) -> dict[int, int]:
        await self._write_letters_of_replays()
        active = {partition: owned for partition, owned in self._owned.items() if owned.active}
        if not active:
            return {}
        flushes = [self._drain(partition, owned) for partition, owned in active.items()]
        snapshots = {
            partition: Checkpoint(active[partition].state.snapshot(), frozenset(active[partition].poisoned))
            for partition in active.keys() & checkpoint
        }
        try:
            await self._topic.confirm_at({flush.partition: flush.position for flush in flushes})
            flushed = await self._partials.flush(flushes)
        except BaseException:
            self._give_back(flushes)
            raise
        self._give_back([flush for flush in flushes if flush.partition not in flushed.accepted])
        for partition, number in flushed.accepted.items():
            self._owned[partition].flushes = number
            if partition in snapshots:
                self._checkpointing.keep(partition, snapshots[partition])
        for partition in flushed.refused:
            log.warning("flush refused: another worker has taken the partition over", partition=partition)
        for partition in flushed.astray:
            await self._find_again(partition)
        return {flush.partition: flush.position for flush in flushes if flush.partition in flushed.accepted}

    async def _write_letters_of_replays(self) -> None:
        """Write the dead letters of replays: counts wait for a replay's end, and letters would fill the memory."""
        for partition, owned in self._owned.items():
            if not owned.active and (letters := list(owned.dead_letters)):
                await self._topic.confirm()
                await self._partials.record_dead_letters(partition, letters)
                del owned.dead_letters[: len(letters)]

    async def _find_again(self, partition: int) -> None:
        """Take an active partition over anew: have the next flush write every count that differs in Postgres."""
        log.warning(
            "Postgres is not where it was left; comparing all counts of the partition", partition=partition
        )
        owned = self._owned[partition]
        owned.flushes = (await self._partials.claim(partition, owned.state.position)).flushes
        owned.state.mark_differences(await self._partials.read(partition))
        self._changed.set()

    async def keep_flushing(self, flushed: Callable[[dict[int, int]], Awaitable[None]]) -> None:
        """Flush soon after every change, at most once an interval; never returns.

        While a server does not answer, the flush is tried again with growing delays, and the worker stops reading.
        """
        trouble = Trouble("flush not written")
        await keep_trying(lambda: self._flush_soon(flushed), trouble, self._interval, delays=_RETRY_DELAYS)

    async def _flush_soon(self, flushed: Callable[[dict[int, int]], Awaitable[None]]) -> None:
        # Python 3.11's `wait_for` may swallow a cancellation that comes with the event; this does not.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await self._changed.wait()
        self._changed.clear()
        try:
            accepted = await self.flush(checkpoint=self._checkpointing.due(self._owned))
        except BaseException:
            self._intake.open = False
            self._changed.set()
            raise
        self._intake.open = True
        if accepted:
            await flushed(accepted)
        self._checkpointing.save_soon()

    async def _resume(self, partition: int, end: int) -> tuple[PartitionState, set[bytes]]:
        """Return state and poisoned keys from a partition's checkpoint; empty ones if no checkpoint fits the log."""
        state = PartitionState(self._plan, self.vocabulary)
        checkpoint = await self._checkpointing.read(partition)
        if checkpoint is None or checkpoint.snapshot.position > end:
            return state, set()
        state.restore(checkpoint.snapshot)
        log.debug("resumed from a checkpoint", partition=partition, position=state.position, end=end)
        return state, set(checkpoint.poisoned)

    def _apply_records(self, owned: OwnedPartition, records: Sequence[Record]) -> int:
        """Fold records in; return the number of changed entries."""
        told, first, last = owned.told, records[0].offset, records[-1].offset
        poisoned = owned.poisoned and any(own_key(record.key) in owned.poisoned for record in records)
        if not poisoned and (told <= first or told > last):
            changes = self._decoder.decode_all(records)
            if changes is not None:
                # An entry outside the calendar is found singly below; the records before it then count as redeliveries.
                with contextlib.suppress(OverflowError):
                    return owned.state.apply_all(changes, note=told <= first)
        if len(records) > FEW_RECORDS:
            middle = len(records) // 2
            return self._apply_records(owned, records[:middle]) + self._apply_records(owned, records[middle:])
        return sum(self._apply_record(owned, record) for record in records)

    def _apply_record(self, owned: OwnedPartition, record: Record) -> bool:
        try:
            change = self._decoder.decode(record)
            if change is None:
                return False
            changed = owned.state.apply(change, note=record.offset >= owned.told)
        except (MalformedEventError, OverflowError) as error:
            self._refuse(owned, record, error)
            return False
        key = own_key(record.key)
        if key is not None and key in owned.poisoned:
            owned.poisoned.discard(key)
            owned.superseded[key] = record.offset
        return changed

    def _refuse(self, owned: OwnedPartition, record: Record, error: Exception) -> None:
        log.warning("event could not be applied", offset=record.offset, reason=str(error))
        self.dead_letters += 1
        key = own_key(record.key)
        owned.dead_letters.append(DeadLetter(record.offset, key, record.value, str(error)))
        if key is not None and not hides_former_deal(str(error)):
            owned.poisoned.add(key)

    def _activate_when_replayed(self, owned: OwnedPartition) -> None:
        if owned.known is not None and owned.state.position >= owned.end:
            owned.state.mark_differences(owned.known)
            owned.known = None

    def _drain(self, partition: int, owned: OwnedPartition) -> PartitionFlush:
        letters, owned.dead_letters = owned.dead_letters, []
        superseded, owned.superseded = owned.superseded, {}
        snapshots, owned.snapshots = owned.snapshots, set()
        delta = owned.state.drain(self._partials.sealed)
        return PartitionFlush(
            partition, owned.state.position, owned.flushes, delta, letters, superseded, snapshots
        )

    def _give_back(self, flushes: Iterable[PartitionFlush]) -> None:
        for flush in flushes:
            owned = self._owned.get(flush.partition)
            if owned is not None:
                owned.state.give_back(flush.delta)
                owned.dead_letters[:0] = flush.dead_letters
                owned.superseded = {**flush.superseded, **owned.superseded}
                owned.snapshots |= flush.snapshots
