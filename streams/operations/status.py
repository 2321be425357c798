"""The status of an installation: positions, lag, freshness, overdue windows and the reasons."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from streams.cdc.connector import Connector, ConnectorStatus
from streams.cdc.topics import Topics
from streams.completeness.source import read_source
from streams.domain.plan import WindowPlan
from streams.domain.proof import OpenTransaction
from streams.domain.windows import from_microseconds, to_microseconds
from streams.errors import FunnelproofError
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import facts_connection, source_connection
from streams.store.doubts import GRANT, Doubt, unresolved_doubts
from streams.store.installation import require_installation
from streams.store.timezones import recorded_plan

OVERDUE_AFTER = timedelta(seconds=10)
"""The time from a window's end plus grace until the open window is overdue. An overdue window is no error while writers
hold the window back, for PROOF_WAIT at most."""

UNPUBLISHED_AFTER = timedelta(seconds=60)
"""The time for which a result may wait to be published to Kafka."""


@dataclass(frozen=True)
class PartitionStatus:
    """A partition's progress; `source_offset` and `lag` are None before the first flush."""

    partition: int
    source_offset: int | None
    end: int
    worker: str | None
    flushed_at: str | None

    @property
    def lag(self) -> int | None:
        """The number of records between the folded offset and the log's end, control records included."""
        return None if self.source_offset is None else max(0, self.end - self.source_offset)


@dataclass(frozen=True)
class OverdueWindow:
    """A window that should be closed by now."""

    window_name: str
    window_end: datetime


@dataclass(frozen=True)
class Status:
    """The contents of `funnelproof status`."""

    facts: dict[str, Any]
    partitions: list[PartitionStatus]
    connector: ConnectorStatus | None
    slot: dict[str, Any] | None
    overdue: list[OverdueWindow]
    writers: list[OpenTransaction]
    troubles: list[str] = field(default_factory=list)
    doubts: Sequence[Doubt] = ()

    @property
    def healthy(self) -> bool:
        """True if no window is overdue, and no trouble is known."""
        return not self.overdue and not self.troubles


async def read_status(settings: Settings) -> Status:
    """Ask every server. Raises UnreachableError for the databases and Kafka; a silent Connect is a trouble."""
    async with facts_connection(settings) as facts_db:
        await require_installation(facts_db, settings.instance)
        row = await facts_db.fetchrow(sql("queries/operations/status_facts"))
        assert row is not None  # noqa: S101 - required above
        facts = {key: json.loads(value) if key in _JSON and value else value for key, value in row.items()}
        doubts = [*await unresolved_doubts(facts_db)]
        closed = await facts_db.fetch(sql("queries/publish/closed_until"), list(settings.windows))
        plan = await recorded_plan(facts_db, settings.windows)
    async with source_connection(settings) as source:
        source_time, writers = await read_source(source)
        slot = await source.fetchrow(sql("queries/operations/status_slot"), settings.instance)
        privileges = await source.fetchrow(sql("queries/operations/status_privileges"))
        if privileges is not None and not all(privileges):
            doubts.append(Doubt("privilege", "the role may not emit markers and read stages", GRANT))
    topics = Topics(settings.kafka)
    topic = await topics.describe(settings.data_topic)
    ends = {} if topic is None else await topics.ends(topic.name, range(topic.partitions), committed=False)
    told = {each["partition"]: each for each in facts.pop("partitions")}
    partitions = [
        PartitionStatus(
            place,
            told.get(place, {}).get("source_offset"),
            end,
            told.get(place, {}).get("worker"),
            told.get(place, {}).get("flushed_at"),
        )
        for place, end in sorted(ends.items())
    ]
    closed_until = {row["window_name"]: row["closed_until"] for row in closed}
    overdue = _overdue(settings, plan, source_time, closed_until)
    connector, troubles = await _connector(settings)
    troubles += _troubles(
        facts, partitions, None if slot is None else dict(slot), has_topic=topic is not None
    )
    return Status(
        facts,
        partitions,
        connector,
        None if slot is None else dict(slot),
        overdue,
        list(writers.values()),
        [*troubles, *map(str, doubts)],
        doubts,
    )


_JSON = ("partitions", "sealed", "open_transactions", "last_reconciliation")


def _overdue(
    settings: Settings, plan: WindowPlan, source_time: datetime, closed_until: dict[str, datetime]
) -> list[OverdueWindow]:
    until = to_microseconds(source_time - settings.grace - OVERDUE_AFTER)
    after = {name: to_microseconds(instant) for name, instant in closed_until.items()}
    return [
        OverdueWindow(window.name, from_microseconds(window.end))
        for window in plan.ending_in(after, until, limit=1)
    ]


async def _connector(settings: Settings) -> tuple[ConnectorStatus | None, list[str]]:
    try:
        connector = await Connector(settings).status()
    except FunnelproofError as error:
        return None, [str(error)]
    if connector.running:
        return connector, []
    trouble = connector.trouble or "run `funnelproof connector apply`"
    return connector, [f"the connector is {connector.state}: {trouble}"]


def _troubles(
    facts: dict[str, Any], partitions: list[PartitionStatus], slot: dict[str, Any] | None, *, has_topic: bool
) -> list[str]:
    troubles = []
    if not has_topic:
        troubles.append("Kafka has no CDC topic: run `funnelproof connector apply`")
    if slot is None:
        troubles.append("Postgres has no replication slot for the connector")
    elif slot["wal_status"] == "lost":
        troubles.append(
            "the replication slot has lost WAL that was not read: delete the connector and the slot, snapshot anew"
        )
    unread = [each.partition for each in partitions if each.source_offset is None]
    if unread:
        troubles.append(f"partitions {unread} were never folded: run `funnelproof worker`")
    if facts["unpublished_since"] and facts["now"] - facts["unpublished_since"] > UNPUBLISHED_AFTER:
        waiting = (facts["now"] - facts["unpublished_since"]).total_seconds()
        troubles.append(
            f"{facts['unpublished_events']} results wait for Kafka, the oldest for {waiting:.0f} s: "
            "/healthz and the log of the worker that proves say why"
        )
    return troubles
