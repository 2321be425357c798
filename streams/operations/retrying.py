"""The retry of dead letters: the rows are read anew from the source, and restated in the log.

1. Shut every former sender of restatements out.
2. Emit a marker: its position is the restatements' version.
3. Wait until the transactions that had written to the stage table have ended: every change below the marker is visible.
4. Read the rows, and wait until the marker comes out of Kafka: the source read is the one that feeds the log.
5. Try each row in memory, as a worker would; a row that would be refused again is not sent.
6. Send the restatements, and wait until the workers have folded them, which settles the letters.

A retry that is killed has sent all of a batch, or none. A second retry, or a paused one that goes on, changes nothing
wrongly: `streams.cdc.restatement` says why.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from streams.cdc.envelope import ChangeDecoder, MalformedEventError, hides_former_deal
from streams.cdc.restatement import Restatement, RestatementSender, restate
from streams.cdc.topics import Topics
from streams.completeness.markers import MarkerDeniedError, MarkerMissingError
from streams.completeness.session import ProvingSession, proving_session
from streams.completeness.source import read_source
from streams.domain.codes import Vocabulary
from streams.domain.partition import PartitionState
from streams.domain.plan import WindowPlan
from streams.errors import PreconditionError, UnreachableError
from streams.operations.dead_letters import DeadLetter, read_letters
from streams.operations.rows_now import read_rows
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import Pool, close_soon, create_pool, facts_connection, facts_setting
from streams.store.held_epoch import require_living_worker
from streams.store.installation import require_installation
from streams.store.timezones import recorded_plan

AT_ONCE = 1000
"""Letters of a Kafka transaction."""
MARKER_SECONDS = 30.0
SETTLE_SECONDS = 60.0
"""The most seconds in which workers fold the restatements."""
_LOOK_SECONDS = 0.1
_UNKNOWN_FORMER_DEAL = (
    "the row may have left another deal, and the event does not say which one: run `funnelproof rebuild`, which "
    "settles the letter"
)

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Retried:
    """The outcome of a letter.

    `settled`: counted now. `refused`: the row in the source would be refused, too. `impossible`: no row can be read
    for the letter. `waiting`: the row is in the log, and no worker has folded the row yet. `why` explains all but
    `settled`.
    """

    letter: DeadLetter
    outcome: Literal["settled", "refused", "impossible", "waiting"]
    why: str = ""


class LogLine:
    """A record of the log, as the decoder reads it."""

    headers: Sequence[tuple[str, bytes | None]] = ()

    def __init__(self, value: bytes) -> None:
        self.value: bytes | None = value


async def retry_dead_letters(
    settings: Settings, places: Sequence[str] | None = None, on_progress: OnProgress = lambda *_: None
) -> list[Retried]:
    """Retry the unresolved letters at `places`, or all; return the outcome of each.

    `on_progress` is called with the number of finished letters and the number of letters. Raises UnreachableError, and
    PreconditionError if no worker lives, or if another retry is at work.
    """
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        await require_living_worker(facts)
        letters, total = await read_letters(facts, None, places, with_events=False)
        if not letters:
            return []
        if not await facts.fetchval(sql("queries/operations/retry_lock")):
            raise PreconditionError("another retry of dead letters is at work: wait for its end")
        plan = await recorded_plan(facts, settings.windows)
        done: list[Retried] = []
        async with AsyncExitStack() as stack:
            retry = await Retry.open(settings, plan, stack)
            for first in range(0, total, AT_ONCE):
                done += await retry.run(letters[first : first + AT_ONCE])
                on_progress(len(done), total)
        return done


class Retry:
    """A retry's sessions; `run` retries letters."""

    def __init__(
        self,
        settings: Settings,
        plan: WindowPlan,
        report: Pool,
        session: ProvingSession,
        sender: RestatementSender,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._report = report
        self._session = session
        self._sender = sender

    @classmethod
    async def open(cls, settings: Settings, plan: WindowPlan, stack: AsyncExitStack) -> "Retry":
        """Open the sessions, which close with `stack`. Raises UnreachableError and PreconditionError."""
        report = await create_pool(settings.facts_dsn, facts_setting(settings), max_size=2)
        stack.push_async_callback(close_soon, report)
        topics = Topics(settings.brokers)
        topic = await topics.require(settings.data_topic)
        session = await stack.enter_async_context(
            proving_session(settings, report, topics, topic.partitions, "dead-letters")
        )
        sender = RestatementSender(settings.brokers, topic.name, topic.topic_id, settings.instance)
        await sender.shut_others_out()
        return cls(settings, plan, report, session, sender)

    async def run(self, letters: Sequence[DeadLetter]) -> list[Retried]:
        """Retry letters of one log. Raises UnreachableError and PreconditionError."""
        obstacles = [(each, _obstacle(each)) for each in letters]
        done = [Retried(each, "impossible", why) for each, why in obstacles if why]
        left = [each for each, why in obstacles if not why]
        if not left:
            return done
        sent = []
        for each, restated in await self._restatements(left):
            why = self._refusal(restated)
            if why:
                done.append(Retried(each, "refused", why))
            else:
                sent.append((each, restated))
        if sent:
            await self._sender.send(list({(each.partition, each.key): each for _, each in sent}.values()))
        return done + await self._settled([each for each, _ in sent])

    async def _restatements(self, letters: Sequence[DeadLetter]) -> list[tuple[DeadLetter, Restatement]]:
        source = self._session.source
        try:
            marker = await self._session.markers.emit(source, "dead letters")
            at = await self._ended_writers()
            ids = {each.row.row_id for each in letters if each.row is not None}
            rows = await read_rows(source, sorted(ids))
            await self._session.markers.arrival(marker, MARKER_SECONDS)
        except (MarkerDeniedError, MarkerMissingError) as error:
            raise UnreachableError(
                f"{error}, so nothing was written: `funnelproof status` says what is wrong with the capture"
            ) from error
        lsn = marker.source_lsn - 1  # the marker's LSN is its end, at which the next change may begin
        return [
            (each, restate(each.partition, each.key or b"", rows.get(_row_id(each)), lsn, at))
            for each in letters
        ]

    async def _ended_writers(self) -> datetime:
        """Wait until no transaction is open that had written to the stage table; return the source's clock then.

        A transaction that was prepared meanwhile has another virtual id: every prepared one is waited for.
        """
        until = asyncio.get_running_loop().time() + self._settings.proof_wait.total_seconds()
        _, writers = await read_source(self._session.source)
        noted = set(writers)
        while True:
            now, writers = await read_source(self._session.source)
            still = [each for each in writers.values() if each.virtual_id in noted or each.pid is None]
            if not still:
                return now
            if asyncio.get_running_loop().time() > until:
                told = "; ".join(each.description for each in still)
                raise PreconditionError(
                    f"the rows may be written by open transactions ({told}), so nothing was written: run this again "
                    "when they have ended"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    def _refusal(self, restated: Restatement) -> str:
        """Return the reason for which a worker would refuse the restatement; empty if none."""
        try:
            change = ChangeDecoder(vocabulary := Vocabulary()).decode(LogLine(restated.value))
            if change is not None:
                PartitionState(self._plan, vocabulary).apply(change)
        except (MalformedEventError, OverflowError) as error:
            return f"the row in the source cannot be counted either: {error}"
        return ""

    async def _settled(self, letters: Sequence[DeadLetter]) -> list[Retried]:
        settled: set[tuple[int, int]] = set()
        until = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while len(settled) < len(letters) and asyncio.get_running_loop().time() < until:
            rows = await self._report.fetch(
                sql("queries/operations/dead_letters_resolved"),
                letters[0].topic_id,
                [each.partition for each in letters],
                [each.source_offset for each in letters],
            )
            settled = {(row["partition"], row["source_offset"]) for row in rows}
            await asyncio.sleep(_LOOK_SECONDS)
        why = "the row is in the log, and no worker has folded it yet: `funnelproof status` says why"
        return [
            Retried(each, "settled")
            if (each.partition, each.source_offset) in settled
            else Retried(each, "waiting", why)
            for each in letters
        ]


def _obstacle(letter: DeadLetter) -> str:
    if hides_former_deal(letter.reason):
        return _UNKNOWN_FORMER_DEAL
    if letter.row is None:
        return "the record's key names no row: run `funnelproof rebuild`, which settles the letter"
    return ""


def _row_id(letter: DeadLetter) -> UUID:
    assert letter.row is not None  # noqa: S101 - _obstacle has told the others
    return letter.row.row_id
