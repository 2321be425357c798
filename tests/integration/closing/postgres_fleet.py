"""A fleet of workers on a real Postgres, whose closed windows are compared with the canonical SQL.

The processors, the partials, the closing and the canonical SQL are real; the log is in memory, so that it can be cut
anywhere and loaded into the CRM's table as it was at a run's positions.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise, permutations
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import rule

from streams.domain.change import Scope
from streams.domain.pairs import Stage
from streams.domain.profile import Profile
from streams.domain.proof import Marker, Proof
from streams.domain.tally import TallyKey, WindowScope
from streams.domain.windows import Window, from_microseconds, to_microseconds
from streams.fold.observed import FlushTarget
from streams.fold.partials import Partials
from streams.publish.closing import Closing
from streams.publish.revising import request_present_pairs
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Pool
from streams.store.epoch import Epoch, begin_epoch
from streams.store.installation import register_installation
from tests.machine.calendar import INSTALLED_AT, PLAN, SCOPES, STAGES, WINDOWS, stage_id
from tests.machine.fleet import PARTITIONS, Fleet

EPOCH = Epoch("data", "topic", PARTITIONS, PLAN)
orders = st.sampled_from([*permutations(STAGES), *permutations(STAGES, 2)])

# Few rows are deleted sooner than files are truncated.
EMPTY = """
delete from dyno_crm.report_run;
delete from funnelproof.revision_cursor;
delete from funnelproof.partition_progress;
delete from funnelproof.installation;
delete from funnelproof.epoch;
delete from funnelproof.partial;
delete from funnelproof.time_window;
delete from funnelproof.change_note;
delete from funnelproof.proof;
delete from funnelproof.prover;
delete from funnelproof.touched_window;
delete from funnelproof.pipeline_stage;
delete from funnelproof.pipeline_activity;
delete from funnelproof.outbox;
delete from funnelproof.followed;
delete from funnelproof.snapshot;
delete from funnelproof.doubt;
"""

PROFILES = """
select
    run_id,
    from_stage_id::text,
    to_stage_id::text,
    funnelproof.profile_entered(entered) as entered,
    funnelproof.profile_converted(converted) as converted
from funnelproof.present_profile
"""

Fact = tuple[str, str, int, int, Decimal]
Ages = tuple[list[int], list[list[int]]]
"""Deals by bucket of the entry; deals by buckets of entry and conversion."""


class Run(NamedTuple):
    where: WindowScope
    revision: int
    causes: list[str]
    positions: Mapping[int, int]
    facts: list[Fact]
    profiles: Mapping[tuple[str, str], Ages]

    @property
    def said(self) -> tuple[object, ...]:
        """All that is never edited. The profiles of a window's last run may become others."""
        return self[:-1]


class PostgresFleet(Fleet):
    """The steps of a fleet, on Postgres; and the pipelines' stages, which people change."""

    epoch_id = EPOCH.id

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Pool) -> None:
        super().__init__(loop)
        self.pool = pool
        self.orders: dict[Scope, tuple[int, ...]] = dict.fromkeys(SCOPES, tuple(STAGES))
        self.closing = Closing(pool, EPOCH, timedelta(0), "closer")
        self.runs: dict[tuple[WindowScope, int], Run] = {}
        self.compared_at: Mapping[int, int] = {}
        self.run(self.begin())

    async def begin(self) -> None:
        async with self.pool.acquire() as connection:
            await connection.execute(EMPTY)
            await register_installation(connection, "funnelproof", INSTALLED_AT)
        await begin_epoch(self.pool, EPOCH)

    def partials(self) -> FlushTarget:
        return Partials(self.pool, EPOCH, "worker")

    def told(self) -> dict[int, tuple[int, dict[TallyKey, Profile]]]:
        return self.run(self.read_partials())

    async def read_partials(self) -> dict[int, tuple[int, dict[TallyKey, Profile]]]:
        told: dict[int, tuple[int, dict[TallyKey, Profile]]] = {
            partition: (position, {}) for partition, position in (await self.positions()).items()
        }
        rows = await self.pool.fetch(
            """
            select partition, tenant_id::text, pipeline_id::text, window_name, window_start, window_end,
                from_stage_id::text, to_stage_id::text, profile::text
            from funnelproof.partial
            """
        )
        for partition, tenant, pipeline, name, start, end, from_stage, to_stage, profile in rows:
            window = Window(name, to_microseconds(start), to_microseconds(end))
            where = WindowScope(Scope(tenant, pipeline), window)
            told[partition][1][TallyKey(where, from_stage, to_stage)] = int(profile)
        return told

    async def positions(self) -> dict[int, int]:
        rows = await self.pool.fetch("select partition, source_offset from funnelproof.partition_progress")
        return {partition: position or 0 for partition, position in rows}

    @rule(scope=st.sampled_from(SCOPES), order=orders, revised=st.booleans())
    def rearrange(self, scope: Scope, order: tuple[int, ...], revised: bool) -> None:
        """Add, remove or reorder a pipeline's stages; and publish closed windows with the pairs of now."""
        self.orders[scope] = order
        self.publish()
        if revised:
            self.run(self.request_present_pairs())
            self.publish()
            for where, run in self.latest_runs().items():
                assert {fact[:2] for fact in run.facts} == self.pairs(where.scope)

    def pairs(self, scope: Scope) -> set[tuple[str, str]]:
        """Return each of a pipeline's stages and the next."""
        return set(pairwise(stage_id(scope, stage) for stage in self.orders[scope]))

    async def request_present_pairs(self) -> None:
        async with self.pool.acquire() as connection:
            await request_present_pairs(connection, ClosedScope())

    def publish(self) -> None:
        self.run(self.close_and_revise())
        self.run(self.check())

    async def close_and_revise(self) -> None:
        stages = [
            Stage(scope, place, stage_id(scope, stage), "stage")
            for scope, order in self.orders.items()
            for place, stage in enumerate(order)
        ]
        self.source.lsn += 1
        marker = Marker(1, self.source.lsn, "1:1:", "7", 1, stages)
        due = await self.closing.due(to_microseconds(self.latest))
        await self.closing.publish(Proof(marker, self.latest, {}, [], [], 0.1, 0.1), due)

    def latest_runs(self) -> dict[WindowScope, Run]:
        return {run.where: run for run in sorted(self.runs.values(), key=attrgetter("revision"))}

    async def check(self) -> None:
        """Every window that ended has runs; none is ever edited; each new one and each last one is right."""
        before = self.latest_runs()
        known, self.runs = self.runs, await self.read_runs()
        assert known.keys() <= self.runs.keys()
        assert {key: self.runs[key].said for key in known} == {key: run.said for key, run in known.items()}
        after = self.latest_runs()
        superseded = {key for key, run in known.items() if run.revision < after[run.where].revision}
        assert {key: self.runs[key] for key in superseded} == {key: known[key] for key in superseded}
        until = to_microseconds(self.latest)
        assert after.keys() == {
            WindowScope(scope, window)
            for scope in SCOPES
            for window in WINDOWS[scope.tenant_id]
            if to_microseconds(INSTALLED_AT) < window.end <= until
        }
        fresh = [run for key, run in self.runs.items() if key not in known]
        for run in fresh:
            self.check_causes(run, before.get(run.where))
        now = await self.positions()
        if not fresh and now == self.compared_at:
            return
        self.compared_at = now
        by_positions = defaultdict(list)
        for run in fresh:
            by_positions[tuple(run.positions.items())].append(run)
        by_positions[tuple(now.items())] += after.values()
        for positions, runs in by_positions.items():
            await self.compare(dict(positions), runs)

    def check_causes(self, run: Run, before: Run | None) -> None:
        """A cause is unknown only after a snapshot, or after a replay of what compaction has thinned out.

        Example of the second: a worker that replays from offset 0 sleeps at offset 1 for longer than the compaction
        lag. A row's move at offset 2 then looks like an insert, since the row's event at offset 1 is gone.
        """
        assert run.revision == (before.revision + 1 if before else 1)
        assert bool(run.causes) == (before is not None)
        if before is None:
            assert {fact[:2] for fact in run.facts} == self.pairs(run.where.scope)
        else:
            same_pairs = {fact[:2] for fact in run.facts} == {fact[:2] for fact in before.facts}
            assert ("pairs_changed" in run.causes) != same_pairs
            if "unknown" in run.causes:
                skipped = any(self.skipped[each] > position for each, position in before.positions.items())
                assert skipped or self.source.was_read_by_a_snapshot(before.positions, run.positions)

    async def read_runs(self) -> dict[tuple[WindowScope, int], Run]:
        rows = await self.pool.fetch(
            """
            select run.run_id, run.tenant_id::text, run.pipeline_id::text, run.window_name, run.window_start,
                run.window_end, run.revision, run.causes, run.positions,
                array_agg(
                    (fact.from_stage_id::text, fact.to_stage_id::text,
                        fact.entered_count, fact.converted_count, fact.conversion_rate)
                    order by fact.from_stage_id
                ) as facts
            from funnelproof.window_run as run
            inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
            group by run.run_id
            """
        )
        profiles: dict[UUID, dict[tuple[str, str], Ages]] = defaultdict(dict)
        for run_id, from_stage, to_stage, entered, converted in await self.pool.fetch(PROFILES):
            profiles[run_id][from_stage, to_stage] = entered, converted
        runs = {}
        for run_id, tenant, pipeline, name, start, end, revision, causes, positions, facts in rows:
            window = Window(name, to_microseconds(start), to_microseconds(end))
            where = WindowScope(Scope(tenant, pipeline), window)
            cut = {int(partition): position or 0 for partition, position in json.loads(positions).items()}
            runs[where, revision] = Run(where, revision, causes, cut, facts, profiles[run_id])
        return runs

    async def compare(self, positions: Mapping[int, int], runs: Sequence[Run]) -> None:
        """Ask the canonical SQL about the log before these positions, for counts and profiles."""
        async with self.pool.acquire() as connection:
            rows = [
                (uuid4(), str(UUID(int=deal)), *entry.scope, entry.stage_id, from_microseconds(entry.at))
                for (deal, _), entry in self.source.rows_at(positions).items()
            ]
            await connection.execute("delete from dyno_crm.deal_pipeline_stage_state")
            await connection.executemany(
                """
                insert into dyno_crm.deal_pipeline_stage_state
                    (id, deal_id, tenant_id, pipeline_id, pipeline_stage_id, entered_at)
                values ($1, $2::text::uuid, $3::text::uuid, $4::text::uuid, $5::text::uuid, $6)
                """,
                rows,
            )
            for run in runs:
                scope, window = run.where
                pairs = [{"from_stage_id": fact[0], "to_stage_id": fact[1]} for fact in run.facts]
                asked = (
                    UUID(scope.tenant_id),
                    UUID(scope.pipeline_id),
                    from_microseconds(window.start),
                    from_microseconds(window.end),
                    json.dumps(pairs),
                )
                expected = await connection.fetch(sql("canonical/stage_conversion"), *asked)
                assert run.facts == sorted(
                    (str(row[0]), str(row[1]), *row[2:]) for row in map(tuple, expected)
                )
                profiles = await connection.fetch(sql("canonical/stage_conversion_profile"), *asked)
                assert run.profiles == {
                    (str(row[0]), str(row[1])): tuple(row[2:]) for row in map(tuple, profiles) if any(row[2])
                }
