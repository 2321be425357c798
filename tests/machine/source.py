"""A CRM whose changes reach a partitioned log, as Debezium sends them and Kafka keeps them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from streams.cdc.restatement import SourceRow, restate
from streams.domain.windows import from_microseconds
from tests.fakes.changes import StageEntry
from tests.fakes.envelopes import SPOILED, FakeRecord, compact, envelope
from tests.machine.topic import MemoryTopic

Key = tuple[int, int]  # deal, row: the key in the log
REKEYED = [("__debezium.newkey", b"{}")]
WRITTEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When the source commits, by its clock: as `envelope` says."""
SNAPSHOT_LEAD = 20
"""How far a snapshot's LSN lies above those of transactions that were open across it."""


class Event(NamedTuple):
    """What one record says: the row's entry or that it is gone; `again` where it was sent before.

    A `spoiled` one says nothing that can be read. A `restated` one is funnelproof's own.
    """

    key: Key
    op: str
    entry: StageEntry | None
    lsn: int
    rekeyed: bool = False
    again: bool = False
    spoiled: bool = False
    restated: bool = False


def deal_id(deal: int) -> str:
    return str(UUID(int=0xD << 96 | deal))


def row_id(row: int) -> str:
    return str(UUID(int=0xA << 96 | row))


class Source:
    """Rows by number, each of one deal; `events` is the whole log of each partition, which nothing compacts."""

    def __init__(self, topic: MemoryTopic) -> None:
        self.topic = topic
        self.rows: dict[int, tuple[int, StageEntry]] = {}
        self.events: list[list[Event]] = [[] for _ in range(topic.partitions)]
        self.lsn = 100
        self.read: list[Event] = []
        self.lost: set[Key] = set()

    def write(self, row: int, deal: int | None, entry: StageEntry) -> None:
        """Insert or update a row; another deal changes its key: gone under the old one, new under the other."""
        self.lsn += 1
        before = self.rows.get(row)
        if deal is None:
            deal = before[0] if before else row // 2
        self.rows[row] = deal, entry
        if before is not None and before[0] == deal:
            self._send(Event((deal, row), "u", entry, self.lsn))
            return
        if before is not None:
            self._send(Event((before[0], row), "d", None, self.lsn, rekeyed=True))
        self._send(Event((deal, row), "c", entry, self.lsn, rekeyed=before is not None))

    def update(self, row: int, entry: StageEntry) -> None:
        """Move a row's stage or pipeline, backdate it, or say what it says already; any row, for any number."""
        if self.rows:
            row = sorted(self.rows)[row % len(self.rows)]
            deal, before = self.rows[row]
            self.write(row, deal, before._replace(at=entry.at) if before.scope == entry.scope else entry)

    def spoil(self, row: int, entry: StageEntry) -> None:
        """Write a row whose event cannot be read, and have a retry of the dead letter restate the row."""
        self.lsn += 1
        deal, _ = self.rows.get(row, (row // 2, entry))
        self.rows[row] = deal, entry
        self.read = []  # this retry shuts a former one out
        self._send(Event((deal, row), "u", entry, self.lsn, spoiled=True))
        self._send(self._restatement((deal, row)))

    def read_row(self, row: int) -> None:
        """Let a retry begin, which shuts a former one out, read a row, and be paused before it restates the row."""
        self.read = [self._restatement((deal, row)) for deal in range(self.topic.partitions + 1)]

    def wake_up(self, number: int) -> None:
        """Let a paused retry go on: what it has read may be old by now."""
        if self.read:
            self._send(self.read.pop(number % len(self.read)))

    def lose(self, row: int, entry: StageEntry) -> None:
        """Write a row whose event never reaches the log."""
        self.lsn += 1
        deal, _ = self.rows.get(row, (row // 2, entry))
        self.rows[row] = deal, entry
        self.lost.add((deal, row))

    def lose_deletion(self, row: int) -> None:
        """Delete a row, and let the log keep the row."""
        if row in self.rows:
            self.lsn += 1
            deal, _ = self.rows.pop(row)
            self.lost.add((deal, row))

    def repair(self) -> None:
        """Restate the rows of which an event was lost; the log then says what the source says."""
        self.read = []  # the repair shuts a paused retry out
        for key in sorted(self.lost):
            self._send(self._restatement(key))
        known = self.rows_at({partition: len(events) for partition, events in enumerate(self.events)})
        for deal, row in self.lost:
            owner, entry = self.rows.get(row, (None, None))
            assert known.get((deal, row)) == (entry if owner == deal else None)
        self.lost.clear()

    def delete(self, row: int) -> None:
        if row in self.rows:
            self.lsn += 1
            deal, _ = self.rows.pop(row)
            self._send(Event((deal, row), "d", None, self.lsn))

    def merge(self, deal: int, into: int) -> None:
        """Make every row of a deal one of another."""
        for row, (owner, entry) in list(self.rows.items()):
            if owner == deal:
                self.write(row, into, entry)

    def snapshot(self, row: int) -> None:
        """Read a row by a snapshot, beside which transactions are open whose LSNs are smaller."""
        self.read = [event for event in self.read if event.key[1] != row]  # a second snapshot is a doubt
        if row in self.rows:
            deal, entry = self.rows[row]
            self._send(Event((deal, row), "r", entry, self.lsn + SNAPSHOT_LEAD))

    def send_again(self, partition: int, count: int) -> None:
        """Let the connector go back: it sends a partition's newest events once more, in their order.

        Not across a snapshot, after which it goes on from the snapshot's position.
        """
        sent = [event for event in self.events[partition] if not (event.again or event.restated)]
        snapshots = [place for place, event in enumerate(sent) if event.op == "r"]
        begin = max(len(sent) - count, snapshots[-1] + 1 if snapshots else 0)
        for event in sent[begin:]:
            self._send(event._replace(again=True))

    def rows_at(self, positions: Mapping[int, int]) -> dict[Key, StageEntry]:
        """Return the rows that the log before these positions tells of."""
        rows: dict[Key, StageEntry] = {}
        versions: dict[Key, int] = {}
        for partition, position in positions.items():
            for event in self.events[partition][:position]:
                if (
                    event.again
                    or event.spoiled
                    or (event.restated and event.lsn <= versions.get(event.key, 0))
                ):
                    continue
                versions[event.key] = 0 if event.op == "r" else event.lsn
                if event.entry is None:
                    rows.pop(event.key, None)
                else:
                    rows[event.key] = event.entry
        return rows

    def was_read_by_a_snapshot(self, begin: Mapping[int, int], end: Mapping[int, int]) -> bool:
        """Whether the log has a snapshot's row between these positions."""
        return any(
            event.op == "r"
            for partition, until in end.items()
            for event in self.events[partition][begin.get(partition, 0) : until]
        )

    def compact(self, partition: int, until: int) -> int:
        """Compact a partition up to an offset, but not between events that were sent again together: return where to.

        Nor between a spoiled event and its restatement: the row would be missing, and the results are in doubt.

        The connector is done with those long before the compaction lag has passed.
        """
        events = self.events[partition]
        while 0 < until < len(events) and (events[until].again or events[until - 1].spoiled):
            until -= 1
        self.topic.compact(partition, until)
        return until

    def _restatement(self, key: Key) -> Event:
        """What a retry reads now of the row that a key names."""
        deal, entry = self.rows.get(key[1], (None, None))
        return Event(
            key, "c" if deal == key[0] else "d", entry if deal == key[0] else None, self.lsn, restated=True
        )

    def _send(self, event: Event) -> None:
        deal, row = event.key
        partition = deal % self.topic.partitions
        value, key = _value_of(event), compact({"deal_id": deal_id(deal), "id": row_id(row)})
        self.events[partition].append(event)
        self.topic.records[partition].append(
            FakeRecord(
                SPOILED if event.spoiled else value,
                len(self.events[partition]) - 1,
                key + b" " if event.restated else key,
                REKEYED if event.rekeyed else [],
            )
        )


def _value_of(event: Event) -> bytes:
    deal, row = event.key
    says = {"id": row_id(row), "deal_id": deal_id(deal)} | _says(event.entry)
    if event.restated:
        names = ("id", "tenant_id", "deal_id", "pipeline_id", "pipeline_stage_id")
        now = (
            None
            if event.entry is None
            else SourceRow(**{name: UUID(says[name]) for name in names}, entered_at=says["entered_at"])
        )
        return restate(
            0, compact({"deal_id": says["deal_id"], "id": says["id"]}), now, event.lsn, WRITTEN
        ).value
    image = {"before": says} if event.op == "d" else {"after": says}
    return envelope(event.op, **image, lsn=event.lsn)


def _says(entry: StageEntry | None) -> dict[str, str]:
    if entry is None:
        return {}
    return {
        "tenant_id": entry.scope.tenant_id,
        "pipeline_id": entry.scope.pipeline_id,
        "pipeline_stage_id": entry.stage_id,
        "entered_at": from_microseconds(entry.at).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
