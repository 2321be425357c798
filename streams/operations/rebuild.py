"""A rebuild: the log begins anew with a snapshot, the workers count anew, and a reconciliation compares.

The steps: check every right, delete what belongs to the former log, make the new log, wait until the workers have
proven the new log, compare. Workers may run meanwhile. A worker that has folded the former log ends by itself, and
writes nothing of the new log; the next worker begins with the new log. Closed windows keep their facts until the new
log is proven to have its beginning.

A rebuild that was killed goes on with the next call. Before the note has the new log's topic, the next call deletes
what is there and makes the log anew; afterwards, the next call goes on to wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from streams.cdc.connector import Connector
from streams.cdc.own_topics import OwnTopics
from streams.cdc.source import require_tables
from streams.cdc.source_objects import (
    PUBLICATION,
    TRIGGER,
    read_objects,
    reading,
    require_makeable,
    require_own,
)
from streams.cdc.topics import Topics
from streams.errors import PreconditionError
from streams.operations.capture import apply_connector, delete_connector, read_connector
from streams.operations.rebuild_note import RebuildNote, forget_note, keep_note, read_note
from streams.operations.source_removal import SourceRemoval
from streams.operations.verdict import trouble_of
from streams.reconciliation import ReconcileResult, reconcile
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import OwnConnection, facts_connection, source_connection
from streams.store.held_epoch import living_workers
from streams.store.installation import require_installation

LOOK_SECONDS = 0.5
CONNECTOR_SECONDS = 5.0
"""Seconds between two looks at the connector, each of which makes Connect read a topic."""
REVISION_SECONDS = 60.0
"""The most seconds of waiting for revisions: where people correct without a pause, some revision is always due."""
_NOT_BEGUN = "no worker has begun with the new log"
_ROWS = "select count(*) from dyno_crm.deal_pipeline_stage_state"


@dataclass(frozen=True)
class Progress:
    """The progress of a step: `done` of `total`, both 0 where a step has no measure. `note` says what is waited for."""

    step: str
    done: int = 0
    total: int = 0
    note: str = ""


Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class RebuildPlan:
    """The steps of a rebuild, a line each. `goes_on` is the note of a rebuild that was interrupted."""

    lines: list[str]
    goes_on: RebuildNote | None = None


async def plan_rebuild(settings: Settings) -> RebuildPlan:
    """Look at every server and check every right; change nothing.

    Raises UnreachableError, and PreconditionError if the new log could not be made, with the SQL that mends it.
    """
    async with facts_connection(settings) as facts, source_connection(settings) as source:
        await require_installation(facts, settings.instance)
        workers = await living_workers(facts)
        note = read_note(settings)
        if note is not None and await _is_made(settings, note):
            return RebuildPlan(
                [f"go on with the rebuild that began at {note.begun_at:%Y-%m-%d %H:%M:%S %Z}"], note
            )
        await require_tables(source, settings)
        async with AsyncExitStack() as stack:
            removal = await SourceRemoval.plan(settings, stack, strict=False)
            dropped = {each.kind for _, each in removal.dropped}
            remaining = [
                each for each in await read_objects(source, settings.instance) if each.kind not in dropped
            ]
        require_own([each for each in remaining if each.kind == PUBLICATION])
        await require_makeable(
            source,
            settings.instance,
            {each.kind for each in remaining if each.is_right and each.kind in (PUBLICATION, TRIGGER)},
            truncate_trigger=settings.truncate_trigger == "on",
        )
        connector, own = Connector(settings), OwnTopics(settings)
        await connector.require_own()
        topics = await own.existing(own.of_the_log)
        rows = await source.fetchval(_ROWS)
        return RebuildPlan(
            [
                f"delete {connector}, with its offsets",
                *(f"delete {each}" for _, each in removal.dropped),
                *(f"delete topic {name}" for name in topics),
                f"make them anew, and read {rows:,} rows of the CRM",
                *(f"worker {each} ends by itself: have it started again" for each in workers),
                "count anew and compare; closed windows keep their facts until the new log is proven",
            ],
            note,
        )


async def rebuild(settings: Settings, tell: Tell, no_worker_seconds: float) -> ReconcileResult:
    """Begin the log anew, and return the comparison at the end. `tell` is called with the progress, often.

    Raises PreconditionError if another rebuild is at work, if the connector fails, or if no worker lives for
    `no_worker_seconds`; UnreachableError. The next call goes on.
    """
    async with facts_connection(settings) as facts:
        if not await facts.fetchval(sql("queries/operations/rebuild_lock")):
            raise PreconditionError("another rebuild is at work: wait for its end")
        note = await _made(settings, facts, tell)
        await Waiting(settings, facts, note, tell, no_worker_seconds).until_proven()

        def compared(done: int, total: int) -> None:
            tell(Progress("compare", done, total))

        tell(Progress("compare"))
        result = await reconcile(settings, on_progress=compared)
        if result.outcome != "undecided":  # the next call compares again
            forget_note(settings)
        return result


async def _made(settings: Settings, facts: OwnConnection, tell: Tell) -> RebuildNote:
    """Make the new log, unless an interrupted rebuild has made it; return the note."""
    note = read_note(settings)
    if note is None or not await _is_made(settings, note):
        note = RebuildNote(await facts.fetchval("select clock_timestamp()"))
        keep_note(settings, note)
        tell(Progress("delete the former log"))
        for line in (await delete_connector(settings, topics=True)).removed:
            tell(Progress("delete the former log", note=line))
        note = RebuildNote(note.begun_at, await _apply(settings, tell))
        keep_note(settings, note)
        return note
    await _apply(settings, tell)  # the connector may have been stopped meanwhile
    return note


async def _apply(settings: Settings, tell: Tell) -> str:
    tell(Progress("make the new log"))
    await apply_connector(settings, lambda line: tell(Progress("make the new log", note=line)))
    return await OwnTopics(settings).log_id()


async def _is_made(settings: Settings, note: RebuildNote) -> bool:
    """Return True if the topic and the connector of the interrupted rebuild are there."""
    if note.topic_id is None:
        return False
    found = await Topics(settings.brokers).identity(settings.data_topic)
    status = await Connector(settings).status()
    return found is not None and found[0] == note.topic_id and status.state != "ABSENT"


class Waiting:
    """Waits for the workers, and tells how far the snapshot, the replay and the revisions are."""

    def __init__(
        self,
        settings: Settings,
        facts: OwnConnection,
        note: RebuildNote,
        tell: Tell,
        no_worker_seconds: float,
    ) -> None:
        self._settings = settings
        self._facts = facts
        self._topic_id = note.topic_id or ""
        self._tell = tell
        self._no_worker_seconds = no_worker_seconds
        self._topics = Topics(settings.brokers)
        self._has_snapshot = False
        self._looked = -CONNECTOR_SECONDS
        self._revises_until: float | None = None

    async def until_proven(self) -> None:
        """Wait until everything in the source now is proven, and closed windows have their revisions.

        Raises PreconditionError if the connector fails, or if no worker lives for too long.
        """
        async with source_connection(self._settings) as source:
            rows = await source.fetchval(_ROWS)
            now = await source.fetchval("select clock_timestamp()")
        clock = asyncio.get_running_loop().time
        lived = clock()
        while (progress := await self._look(rows, now, clock())) is not None:
            workers = await living_workers(self._facts)
            if workers:
                lived = clock()
            elif clock() - lived > self._no_worker_seconds:
                raise PreconditionError(
                    "no worker lives: start `funnelproof worker`, then run `funnelproof rebuild` again, which goes on "
                    "from here"
                )
            note = _note(progress, workers)
            self._tell(Progress(progress.step, progress.done, progress.total, note))
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, rows: int, since: datetime, clock: float) -> Progress | None:
        """Return the progress; None at the end."""
        row = await self._facts.fetchrow(sql("queries/operations/rebuild_progress"), self._topic_id, since)
        if row is None:
            raise PreconditionError("the report database is not set up: run `funnelproof migrate`")
        if row["is_proven"]:
            self._revises_until = self._revises_until or clock + REVISION_SECONDS
            is_revised = not row["revisions"] or clock > self._revises_until
            return None if is_revised else Progress("revise closed windows", note=f"{row['revisions']} left")
        if clock - self._looked >= CONNECTOR_SECONDS:
            self._looked = clock
            await self._look_at_connector()
        ends = await self._topics.ends(
            self._settings.data_topic, range(self._settings.partitions), committed=False
        )
        records = sum(ends.values())
        if not self._has_snapshot:
            return Progress("read the rows", min(records, rows), rows)
        if not row["is_folded"] or row["folded"] < records:
            note = "" if row["is_folded"] else _NOT_BEGUN
            return Progress("count", row["folded"], records, note)
        return Progress("prove")

    async def _look_at_connector(self) -> None:
        status = await read_connector(self._settings)
        if status.failed:
            raise PreconditionError(f"{trouble_of(status)}; then run `funnelproof rebuild` again")
        async with source_connection(self._settings) as source:
            reads = await reading(source, self._settings.instance)
        self._has_snapshot = status.running and reads == "changes"


def _note(progress: Progress, workers: Sequence[str]) -> str:
    if not workers:
        return "no worker lives: start `funnelproof worker`"
    return (
        f"{progress.note}; of the former log: {', '.join(workers)}"
        if progress.note == _NOT_BEGUN
        else progress.note
    )
