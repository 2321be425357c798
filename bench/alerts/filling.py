"""A report database with many pipelines, written straight into Postgres: runs, profiles, partials and stages of days.

Every pipeline has six stages and five pairs. Fifty kinds of traffic are generated, and pipeline number n has the kind
n modulo 50: Postgres copies the kinds, since only the numbers of rows cost a look time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from streams.domain.detection.generated import Traffic
from streams.domain.detection.profile import BUCKETS, Profile
from streams.domain.profile import UNITS
from streams.store.database import Connection
from streams.store.epoch import Epoch, begin_epoch
from streams.store.installation import register_installation
from streams.store.timezones import plan_windows

STAGES = 6
KINDS = 50
GROUPS = 100
"""Pipelines with the same rest of their number divided by GROUPS are a group: a group falls together."""
PARTITIONS = 4
FIRST_DAY = datetime(2026, 1, 5, tzinfo=UTC)
RATES = (0.3, 0.5, 0.7, 0.6, 0.4)
_DAY = timedelta(days=1)
_SCOPE = "md5('tenant ' || n / 100)::uuid, md5('pipeline ' || n)::uuid"

STAGES_OF = f"""
insert into funnelproof.pipeline_stage (stage_id, tenant_id, pipeline_id, name, display_order)
select md5(n || ' stage ' || s)::uuid, {_SCOPE}, 'stage ' || s, s
from generate_series($1::integer, $2) as n, generate_series(0, {STAGES - 1}) as s
"""
PROOF = """
insert into funnelproof.proof
    (source_time, source_lsn, snapshot, needed, positions, completeness, reasons, open_transactions,
    marker_seconds, progress_seconds)
values ($1, '0/1', '1:1:', '{}', '{}', 'proven', '{}', '[]', 0, 0) returning proof_id
"""
PROVER = """
insert into funnelproof.prover as known
    (worker, source_time, source_lsn, completeness, reasons, open_transactions, barrier_seconds,
    marker_seconds, progress_seconds, proven_at)
values ('bench', $1, '0/1', 'proven', '{}', '[]', 0, 0, 0, clock_timestamp())
on conflict (singleton) do update set source_time = excluded.source_time, proven_at = excluded.proven_at
"""
WINDOW = """
insert into funnelproof.time_window as known (window_name, window_start, window_end, tilings, closed_at)
values ('day', $1, $2, '{""}', $3)
on conflict (window_name, window_start, window_end) do update set closed_at = excluded.closed_at
"""
RUNS = f"""
insert into funnelproof.window_run
    (run_id, tenant_id, pipeline_id, window_name, window_start, window_end, revision, causes, epoch,
    positions, proof_id)
select md5(n || ' run ' || $1::timestamptz)::uuid, {_SCOPE}, 'day', $1, $2, 1, '{{}}', $3, '{{}}', $4
from generate_series(0, $5::integer - 1) as n
"""
PROFILES = f"""
insert into funnelproof.run_profile
    (run_id, from_stage_id, to_stage_id, entered_count, converted_count, proof_id, entered, converted)
select
    md5(n || ' run ' || $1::timestamptz)::uuid, md5(n || ' stage ' || s)::uuid, md5(n || ' stage ' || s + 1)::uuid,
    mod(one.entered, 99999999), mod(here.converted, 99999999), $2, one.entered, here.converted
from generate_series(0, $3::integer - 1) as n
inner join unnest($4::integer[], $5::integer[], $6::text[]::numeric[], $7::text[]::numeric[])
    as one (kind, s, entered, converted) on one.kind = mod(n, {KINDS})
cross join lateral (
    select case when mod(n, {GROUPS}) = $8 then 0 else one.converted end as converted
) as here
"""
PARTIALS = f"""
insert into funnelproof.partial as known
    (epoch, partition, tenant_id, pipeline_id, window_name, window_start, window_end, from_stage_id, to_stage_id,
    deals, profile, flush)
select
    $1, $2, {_SCOPE}, 'day', $3, $4, md5(n || ' stage ' || one.a)::uuid, md5(n || ' stage ' || one.b)::uuid,
    mod(one.profile, 99999999), one.profile, $5
from generate_series(0, $6::integer - 1) as n
inner join unnest($7::integer[], $8::integer[], $9::integer[], $10::text[]::numeric[]) as one (kind, a, b, profile)
    on one.kind = mod(n, {KINDS})
where mod(n, $11) = $12
on conflict (window_start, window_name, tenant_id, pipeline_id, from_stage_id, to_stage_id, partition, epoch)
do update set deals = excluded.deals, profile = excluded.profile, flush = excluded.flush
"""
PROGRESS = """
insert into funnelproof.partition_progress as known
    (epoch, partition, source_offset, claimed, flushes, worker, flushed_at)
values ($1, $2, 1, 0, $3, 'bench', clock_timestamp())
on conflict (epoch, partition) do update set flushes = excluded.flushes
"""


@dataclass
class Filling:
    """Fills a migrated database in which nothing is installed yet; the connection is a superuser's."""

    connection: Connection
    pipelines: int
    seed: int = 1
    day: int = 0
    flush: int = 0
    epoch: Epoch = field(init=False)
    _random: Iterator[Profile] = field(init=False)
    _today: Profile = field(init=False)

    async def begin(self) -> None:
        """Write the stages of all pipelines."""
        connection = self.connection
        self._random = Traffic(
            "weekly", np.resize(RATES, KINDS * len(RATES)), self.seed, windows_a_day=1
        ).windows(10_000)
        self._today = next(self._random)
        await register_installation(connection, "funnelproof", FIRST_DAY - _DAY)
        planned = await plan_windows(connection, ("day",), "UTC", {}, FIRST_DAY)
        await planned.note(connection)
        self.epoch = Epoch("data", "topic", PARTITIONS, planned.plan)
        await begin_epoch(connection, self.epoch)
        await connection.execute("set session_replication_role = replica")  # runs without their headers
        await connection.execute(STAGES_OF, 0, self.pipelines - 1)

    @property
    def start(self) -> datetime:
        """The start of the open day."""
        return FIRST_DAY + self.day * _DAY

    async def close_day(self, fallen: int | None = None) -> None:
        """Close the open day with new counts of all pipelines, and open the next day.

        `fallen`: a group of pipelines in which nobody converts.
        """
        start, end = self.start, self.start + _DAY
        profile, self._today = self._today, next(self._random)
        kinds = [kind for kind in range(KINDS) for _ in RATES]
        stages = list(range(STAGES - 1)) * KINDS
        counts = (kinds, stages, _entries(profile), _conversions(profile))
        async with self.connection.transaction():  # as a worker closes
            proof = await self.connection.fetchval(PROOF, end)
            await self.connection.execute(WINDOW, start, end, end)
            await self.connection.execute(RUNS, start, end, self.epoch.id, proof, self.pipelines)
            await self.connection.execute(PROFILES, start, proof, self.pipelines, *counts, fallen)
            self.day += 1
            await self.connection.execute(WINDOW, self.start, self.start + _DAY, None)
            await self.prove(timedelta())

    async def prove(self, into: timedelta) -> None:
        """Prove the source up to so long after the start of the open day."""
        await self.connection.execute(PROVER, self.start + into)

    async def flush_partials(self, every: int = 1, rest: int = 0, *, fallen: bool = False) -> None:
        """Write the open day's partials of the pipelines with a number that divided by `every` leaves `rest`.

        The partials are of all partitions. `fallen`: nobody converts.
        """
        self.flush += 1
        steps = [(a, b) for a in range(STAGES) for b in range(a, STAGES)]
        for partition in range(PARTITIONS):
            share = _share(self._today, partition)
            entered, converted = _entries(share), _conversions(share)
            rows: list[tuple[int, int, int, str]] = []
            for kind in range(KINDS):
                for a, b in steps:
                    place = kind * len(RATES) + min(a, len(RATES) - 1)
                    rows.append(
                        (kind, a, b, entered[place] if a == b else "0" if fallen else converted[place])
                    )
            columns: Sequence[Sequence[object]] = list(zip(*rows, strict=True))
            await self.connection.execute(PROGRESS, self.epoch.id, partition, self.flush)
            await self.connection.execute(
                PARTIALS,
                self.epoch.id,
                partition,
                self.start,
                self.start + _DAY,
                self.flush,
                self.pipelines,
                *columns,
                every,
                rest,
            )

    async def add_pipeline(self) -> None:
        """Add a pipeline, which has had no window."""
        await self.connection.execute(STAGES_OF, self.pipelines, self.pipelines)
        self.pipelines += 1


def _share(profile: Profile, partition: int) -> Profile:
    """Return the deals of a partition: a quarter, and in the first partition the rest."""
    return Profile(
        *(
            counts // PARTITIONS + (counts % PARTITIONS if partition == 0 else 0)
            for counts in (profile.entered, profile.converted)
        )
    )


def _entries(profile: Profile) -> list[str]:
    return [_number(np.diag(row)) for row in profile.entered]


def _conversions(profile: Profile) -> list[str]:
    return [_number(cells) for cells in profile.converted]


def _number(cells: np.ndarray) -> str:
    return str(sum(int(count) * unit for count, unit in zip(cells.reshape(BUCKETS**2), UNITS, strict=True)))
