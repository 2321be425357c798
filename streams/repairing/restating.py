"""Rows read anew from the source under a marker, for restatements in the log.

1. Shut every former sender of restatements out.
2. Emit a marker: its position is the restatements' version.
3. Wait until the transactions that had written to the stage table have ended: every change below the marker is visible.
4. Read the rows, and wait until the marker comes out of Kafka: the source read is the one that feeds the log.
5. Send the restatements.

Whoever is killed has sent all of a batch, or none. A second sender, or a paused sender that goes on, changes nothing
wrongly: `streams.cdc.restatement` says why.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from streams.cdc.envelope import ChangeDecoder, MalformedEventError
from streams.cdc.restatement import Restatement, RestatementSender, SourceRow, parse_key, restate
from streams.cdc.topics import Topics
from streams.completeness.markers import MarkerDeniedError, MarkerMissingError
from streams.completeness.session import ProvingSession, proving_session
from streams.completeness.source import read_source
from streams.domain.codes import Vocabulary
from streams.domain.partition import PartitionState
from streams.domain.plan import WindowPlan
from streams.errors import PreconditionError, UnreachableError
from streams.repairing.rows_now import read_rows
from streams.settings import Settings
from streams.store.database import Pool, close_soon, create_pool, facts_setting

MARKER_SECONDS = 30.0
_LOOK_SECONDS = 0.1


class LogLine:
    """A record of the log, as the decoder reads it."""

    headers: Sequence[tuple[str, bytes | None]] = ()

    def __init__(self, value: bytes) -> None:
        self.value: bytes | None = value


@dataclass(frozen=True)
class Reading:
    """Rows of the source by id, as of the position `lsn`; `at` is the source's clock."""

    rows: Mapping[UUID, SourceRow]
    lsn: int
    at: datetime

    def restate(self, partition: int, key: bytes) -> Restatement:
        """Return the restatement of the row that `key` names: the present row, or a deletion from the key's deal.

        Raises ValueError if `key` names no row.
        """
        named = parse_key(key)
        row = self.rows.get(named.row_id) if named is not None else None
        return restate(partition, key, row, self.lsn, self.at)

    def delete(self, partition: int, key: bytes) -> Restatement:
        """Return the deletion of the row that `key` names, for a partition in which the row does not belong."""
        return restate(partition, key, None, self.lsn, self.at)


class Restating:
    """The sessions of a sender of restatements: `read`, then `send`, again and again.

    `report` are sessions of the report database.
    """

    def __init__(
        self, settings: Settings, report: Pool, session: ProvingSession, sender: RestatementSender
    ) -> None:
        self.report = report
        self._patience = settings.proof_wait.total_seconds()
        self.session = session
        self._sender = sender

    async def read(self, ids: Sequence[UUID], deals: Sequence[UUID] = ()) -> Reading:
        """Read the rows with these ids, and all rows of these deals.

        Raises UnreachableError if the marker does not come out of Kafka, PreconditionError if open transactions may
        have written to the rows.
        """
        source = self.session.source
        try:
            marker = await self.session.markers.emit(source, "restatements")
            at = await self._ended_writers()
            rows = await read_rows(source, ids, deals)
            await self.session.markers.arrival(marker, MARKER_SECONDS)
        except (MarkerDeniedError, MarkerMissingError) as error:
            raise UnreachableError(
                f"{error}, so nothing was written: `funnelproof status` says what is wrong with the capture"
            ) from error
        # The marker's LSN is its end, at which the next change may begin.
        return Reading(rows, marker.source_lsn - 1, at)

    async def send(self, restatements: Sequence[Restatement]) -> None:
        """Return once Kafka has the whole batch; see RestatementSender.send."""
        await self._sender.send(list({(each.partition, each.key): each for each in restatements}.values()))

    async def _ended_writers(self) -> datetime:
        """Wait until no transaction is open that had written to the stage table; return the source's clock then.

        A transaction that was prepared meanwhile has another virtual id: every prepared one is waited for.
        """
        until = asyncio.get_running_loop().time() + self._patience
        _, writers = await read_source(self.session.source)
        noted = set(writers)
        while True:
            now, writers = await read_source(self.session.source)
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


@asynccontextmanager
async def restating(settings: Settings, role: str) -> AsyncIterator[Restating]:
    """Hold the sessions of a sender for the length of an `async with` block; former senders are shut out.

    `role` is shown in the lists of sessions. Raises UnreachableError and PreconditionError.
    """
    topics = Topics(settings.brokers)
    async with AsyncExitStack() as stack:
        report = await create_pool(
            settings.facts_dsn,
            facts_setting(settings),
            max_size=2,
            application_name=f"{settings.instance} {role}",
        )
        stack.push_async_callback(close_soon, report)
        topic = await topics.require(settings.data_topic)
        session = await stack.enter_async_context(
            proving_session(settings, report, topics, topic.partitions, role)
        )
        sender = RestatementSender(settings.brokers, topic.name, topic.topic_id, settings.instance)
        await sender.shut_others_out()
        yield Restating(settings, report, session, sender)


def refusal_of(restated: Restatement, plan: WindowPlan) -> str:
    """Return the reason for which a worker would refuse the restatement; empty if none."""
    try:
        change = ChangeDecoder(vocabulary := Vocabulary()).decode(LogLine(restated.value))
        if change is not None:
            PartitionState(plan, vocabulary).apply(change)
    except (MalformedEventError, OverflowError) as error:
        return f"the row in the source cannot be counted either: {error}"
    return ""
