"""What every run promises: it equals the log up to its `positions`, and covers what was visible at its marker."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from streams.resources import sql
from streams.store.database import OwnConnection
from tests.chaos.change_log import Event, Key, Log, Row
from tests.chaos.crm import Transaction

RUNS = """
select
    header.id, header.tenant_id, header.period_start, header.period_end, header.parameters::text,
    proof.snapshot, proof.source_time
from dyno_crm.report_run as header
inner join funnelproof.window_run as run on run.run_id = header.id
inner join funnelproof.proof using (proof_id)
where header.parameters ->> 'origin' = 'stream'
"""
FACTS = """
select run_id, from_stage_id, to_stage_id, entered_count, converted_count, conversion_rate
from dyno_crm.report_stage_conversion_fact
"""
TABLE = """
select deal_id::text, id::text, tenant_id::text, pipeline_id::text, pipeline_stage_id::text, entered_at
from dyno_crm.deal_pipeline_stage_state
"""
REPLICA = """
alter table dyno_crm.deal_pipeline_stage_state
    drop constraint deal_pipeline_stage_state_pkey, add primary key (deal_id, id);
alter table dyno_crm.deal_pipeline_stage_state set unlogged;
create index on dyno_crm.deal_pipeline_stage_state (tenant_id, pipeline_id, entered_at)
"""
"""At a cut, a row that moves to another deal may be in both, or in none."""
REMOVE = """
delete from dyno_crm.deal_pipeline_stage_state as kept
using unnest($1::text[]::uuid[], $2::text[]::uuid[]) as changed (deal_id, id)
where kept.deal_id = changed.deal_id and kept.id = changed.id
"""
ADD = """
insert into dyno_crm.deal_pipeline_stage_state (
    deal_id, id, tenant_id, pipeline_id, pipeline_stage_id, entered_at
)
select * from unnest(
    $1::text[]::uuid[], $2::text[]::uuid[], $3::text[]::uuid[], $4::text[]::uuid[], $5::text[]::uuid[],
    $6::text[]::timestamptz[]
)
"""

Facts = dict[tuple[UUID, UUID], tuple[int, int, Decimal]]
"""By pair of stages: entered, converted, rate."""


@dataclass(frozen=True)
class Run:
    """A run as anybody can read it, and the snapshot of its marker."""

    id: UUID
    tenant: UUID
    pipeline: UUID
    start: datetime
    end: datetime
    window: str
    revision: int
    causes: tuple[str, ...]
    completeness: str
    pairs: str
    positions: tuple[int, ...]
    snapshot: str
    source_time: datetime
    facts: Facts

    def __str__(self) -> str:
        return f"{self.window} {self.start:%H:%M:%S} revision {self.revision} of {self.pipeline}"


async def read_runs(connection: OwnConnection) -> list[Run]:
    """Return every run, in the order of their positions; windows go on closing meanwhile."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        published, counted = await connection.fetch(RUNS), await connection.fetch(FACTS)
    facts: dict[UUID, Facts] = {}
    for run_id, a, b, *counts in counted:
        facts.setdefault(run_id, {})[a, b] = tuple(counts)
    runs = []
    for run_id, tenant, start, end, parameters, snapshot, source_time in published:
        told = json.loads(parameters)
        positions = told["positions"]
        runs.append(
            Run(
                id=run_id,
                tenant=tenant,
                pipeline=UUID(told["pipeline_id"]),
                start=start,
                end=end,
                window=told["window"],
                revision=told["revision"],
                causes=tuple(told["causes"]),
                completeness=told["completeness"],
                pairs=json.dumps(told["stage_pairs"]),
                positions=tuple(positions[str(partition)] for partition in range(len(positions))),
                snapshot=snapshot,
                source_time=source_time,
                facts=facts.get(run_id, {}),
            )
        )
    return sorted(runs, key=lambda run: run.positions)


class Replica:
    """A CRM's table in a database of its own that follows the log as far as it is told to."""

    def __init__(self, database: OwnConnection, log: Log) -> None:
        self._database = database
        self._log = log
        self._positions: Sequence[int] = [0] * len(log.partitions)

    async def prepare(self) -> None:
        await self._database.execute(REPLICA)

    async def advance(self, positions: Sequence[int]) -> None:
        """Apply the log up to these positions, none of which lies before the present one."""
        assert all(map(int.__ge__, positions, self._positions)), (self._positions, positions)
        changed: dict[Key, Row | None] = {
            event.key: event.row for event in self._log.events(self._positions, positions)
        }
        self._positions = positions
        await self._database.execute(REMOVE, *_columns(changed, 2))
        rows = [(*key, *row) for key, row in changed.items() if row]
        await self._database.execute(ADD, *_columns(rows, 6))

    async def canonical(self, run: Run) -> Facts:
        """Return what the definition says of the run's window and pairs."""
        rows = await self._database.fetch(
            sql("canonical/stage_conversion"), run.tenant, run.pipeline, run.start, run.end, run.pairs
        )
        return {(a, b): tuple(counts) for a, b, *counts in rows}

    async def table(self) -> set[tuple[object, ...]]:
        return {tuple(row) for row in await self._database.fetch(TABLE)}


def _columns(rows: Collection[Sequence[str]], width: int) -> list[list[str]]:
    return [[row[place] for row in rows] for place in range(width)]


async def unequal(replica: Replica, runs: Sequence[Run]) -> list[str]:
    """Return the runs, given in the order of their positions, that are not the log's up to there."""
    found = []
    for positions, some in groupby(runs, key=lambda run: run.positions):
        await replica.advance(positions)
        expected = {run.id: (run, await replica.canonical(run)) for run in some}
        found += [
            f"{run}: {run.facts} where the log up to {positions} gives {canonical}"
            for run, canonical in expected.values()
            if run.facts != canonical
        ]
    return found


class Snapshot:
    """Which transactions Postgres shows, as `pg_current_snapshot()` writes it."""

    def __init__(self, text: str) -> None:
        xmin, xmax, running = text.split(":")
        self._xmin, self._xmax = int(xmin), int(xmax)
        self._running = {int(xid) for xid in running.split(",") if xid}

    def shows(self, xid: int) -> bool:
        return xid < self._xmin or (xid < self._xmax and xid not in self._running)


def uncovered(log: Log, runs: Sequence[Run]) -> list[str]:
    """Return the runs whose marker showed a transaction of which the log has an event past the run's positions."""
    found = []
    looked: dict[tuple[str, tuple[int, ...]], list[Event]] = {}
    for run in runs:
        evidence = run.snapshot, run.positions
        if evidence not in looked:
            snapshot = Snapshot(run.snapshot)
            looked[evidence] = [
                event
                for event in log.events(run.positions, log.ends)
                if event.xid is not None and snapshot.shows(event.xid)
            ]
        if missed := looked[evidence]:
            found.append(f"{run}: {len(missed)} events that its marker showed, as {missed[0]}")
    return found


def overlooked(transactions: Sequence[Transaction], runs: Sequence[Run]) -> list[str]:
    """Return first runs that are called proven, but whose marker did not show what had written by the window's end."""
    found = []
    committed = [each for each in transactions if each.committed and each.xid and each.wrote_at]
    looked: dict[tuple[str, datetime], list[int]] = {}
    for run in runs:
        if run.revision > 1 or run.completeness != "proven":
            continue
        if (run.snapshot, run.end) not in looked:
            snapshot = Snapshot(run.snapshot)
            looked[run.snapshot, run.end] = [
                each.xid
                for each in committed
                if each.xid and each.wrote_at and each.wrote_at < run.end and not snapshot.shows(each.xid)
            ]
        if missed := looked[run.snapshot, run.end]:
            found.append(f"{run}: {len(missed)} transactions that had written by its end, as {missed[0]}")
    return found
