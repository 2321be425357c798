"""A report database as workers would have left it: an installation, stages, closed windows, open counts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4, uuid5

import asyncpg
import numpy as np

from streams.domain.detection.expectation import Expectation
from streams.domain.detection.told import pack
from streams.domain.profile import UNITS
from streams.store.database import OwnConnection

SPACE = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
NOW = datetime(2026, 6, 10, 10, 20, 30, tzinfo=UTC)
STAGES = ("Lead", "Qualified", "Demo", "Won")
DAY = timedelta(days=1)
Numbers = Sequence[tuple[int, int]]
Pipeline = tuple[UUID, UUID]
"""Tenant and pipeline."""


def name(*parts: object) -> UUID:
    """Return an identifier made of names."""
    return uuid5(SPACE, "/".join(map(str, parts)))


@dataclass
class Desk:
    """Writes rows into the report database of a test."""

    connection: OwnConnection
    epoch: UUID = field(default_factory=uuid4)
    partitions: int = 1

    @classmethod
    async def open(cls, dsn: str, partitions: int = 1) -> "Desk":
        return cls(await asyncpg.connect(dsn), partitions=partitions)

    async def install(self, windows: Sequence[str] = ("hour", "day")) -> None:
        await self.connection.execute(
            """insert into funnelproof.epoch (epoch, topic, topic_id, partitions, windows, timezone,
            tenant_timezones, state_format) values ($1, 'topic', 'id', $2, $3, 'UTC', '', 1)""",
            self.epoch, self.partitions, list(windows),
        )  # fmt: skip
        await self.connection.execute(
            "insert into funnelproof.installation (instance, installed_at, epoch) values ('funnelproof', $1, $2)",
            NOW - 900 * DAY, self.epoch,
        )  # fmt: skip

    async def flush(self, age: float = 0.0, partition: int = 0, proof_age: float = 0.0) -> None:
        """Have a partition flushed and the log proven, so many seconds ago."""
        await self.connection.execute(
            """insert into funnelproof.partition_progress as known
            (epoch, partition, source_offset, claimed, flushes, worker, flushed_at)
            values ($1, $2, 100, 0, 1, 'one', clock_timestamp() - make_interval(secs => $3))
            on conflict (epoch, partition) do update
            set flushes = known.flushes + 1, flushed_at = excluded.flushed_at""",
            self.epoch, partition, age,
        )  # fmt: skip
        await self.connection.execute(
            """insert into funnelproof.prover (worker, source_time, source_lsn, completeness, reasons,
            open_transactions, barrier_seconds, marker_seconds, progress_seconds, proven_at)
            values ('one', $1, '0/1000', 'proven', '{}', '[]', 0, 0, 0, clock_timestamp() - make_interval(secs => $2))
            on conflict (singleton) do update set proven_at = excluded.proven_at""",
            NOW, proof_age,
        )  # fmt: skip

    async def stages(self, tenant: UUID, pipeline: UUID, names: Sequence[str] = STAGES) -> None:
        await self.connection.executemany(
            "insert into funnelproof.pipeline_stage values ($1, $2, $3, $4, $5)",
            [(name(pipeline, order), tenant, pipeline, each, order) for order, each in enumerate(names)],
        )

    async def open_window(self, kind: str, start: datetime, end: datetime) -> None:
        await self.connection.execute(
            "insert into funnelproof.time_window values ($1, $2, $3, '{\"\"}')",
            kind, start, end,
        )  # fmt: skip

    async def count(
        self, tenant: UUID, pipeline: UUID, kind: str, start: datetime, end: datetime, numbers: Numbers
    ) -> None:
        """Write the live counts of consecutive pairs, (entered, converted) each."""
        rows = []
        for place, (entered, converted) in enumerate(numbers):
            here, there = name(pipeline, place), name(pipeline, place + 1)
            rows += [(here, here, entered), (here, there, converted)]
        await self.connection.executemany(
            """insert into funnelproof.partial (epoch, partition, tenant_id, pipeline_id, window_name,
            window_start, window_end, from_stage_id, to_stage_id, deals, flush)
            values ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, 1)
            on conflict on constraint partial_pkey do update set deals = excluded.deals""",
            [(self.epoch, tenant, pipeline, kind, start, end, *row) for row in rows],
        )

    async def close(
        self,
        tenant: UUID,
        pipeline: UUID,
        kind: str,
        start: datetime,
        end: datetime,
        numbers: Numbers,
        *,
        revision: int = 1,
        causes: Sequence[str] = (),
        completeness: str = "proven",
        reasons: Sequence[str] = (),
        after: float = 2.0,
    ) -> UUID:
        """Write a run with the facts of consecutive pairs, at once as a worker does; return the run's identifier."""
        async with self.connection.transaction():
            proof = await self.connection.fetchval(
                """insert into funnelproof.proof (source_time, source_lsn, snapshot, needed, positions,
                completeness, reasons, open_transactions, marker_seconds, progress_seconds)
                values ($1, '0/1000', '1:1:', '{}', '{}', $2, $3, '[]', 0, 0) returning proof_id""",
                end + timedelta(seconds=after), completeness, list(reasons),
            )  # fmt: skip
            run_id = name(tenant, pipeline, kind, start, revision)
            await self.connection.execute(
                """insert into dyno_crm.report_run
                (id, tenant_id, report_type, generated_at, period_start, period_end, status)
                values ($1, $2, 'STAGE_CONVERSION', $3, $4, $5, 'COMPLETED')""",
                run_id, tenant, end + timedelta(seconds=after), start, end,
            )  # fmt: skip
            await self.connection.execute(
                """insert into funnelproof.window_run (run_id, tenant_id, pipeline_id, window_name, window_start,
                window_end, revision, causes, epoch, positions, proof_id)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, '{"0": 100}', $10)""",
                run_id, tenant, pipeline, kind, start, end, revision, list(causes), self.epoch, proof,
            )  # fmt: skip
            await self.connection.executemany(
                "insert into dyno_crm.report_stage_conversion_fact values ($1, $2, $3, $4, $5, $6, $7, $8)",
                [
                    (run_id, tenant, pipeline, name(pipeline, place), name(pipeline, place + 1), *counts, 0)
                    for place, counts in enumerate(numbers)
                ],
            )
            await self.connection.execute(
                """insert into funnelproof.time_window (window_name, window_start, window_end, tilings, closed_at)
                values ($1, $2, $3, '{""}', $4) on conflict (window_name, window_start, window_end)
                do update set closed_at = excluded.closed_at""",
                kind, start, end, end + timedelta(seconds=after),
            )  # fmt: skip
            return run_id

    async def reconciled(
        self, outcome: str = "equal", numbers: Mapping[str, int] | None = None, at: datetime | None = None
    ) -> None:
        values = {"runs": 12, "pairs": 36, "differences": 0, "undecided": 0} | dict(numbers or {})
        await self.connection.execute(
            """insert into funnelproof.reconciliation
            (started_at, finished_at, runs, pairs, differences, undecided, outcome) values
            (coalesce($6, clock_timestamp()) - interval '14 min', coalesce($6, clock_timestamp()) - interval '13 min',
            $1, $2, $3, $4, $5)""",
            *values.values(), outcome, at,
        )  # fmt: skip

    async def label(self, kind: str, identifier: UUID, text: str) -> None:
        await self.connection.execute(
            "insert into funnelproof.label values ($1, $2, $3)", kind, identifier, text
        )

    async def judge(self, kind: str, *, age: float = 0.0, held: str | None = None) -> None:
        """Have a rule of alerts judge the windows of a kind; the last look was so many seconds ago."""
        await self.connection.execute(
            """insert into funnelproof.alert_term (term, evaluator, begun_at, looked_at, held)
            values (1, 'one', clock_timestamp(), clock_timestamp() - make_interval(secs => $1), $2)
            on conflict (singleton) do update set looked_at = excluded.looked_at, held = excluded.held""",
            age, held,
        )  # fmt: skip
        await self.connection.execute(
            """insert into funnelproof.alert_cursor (rule, window_name, tiling, digest, proof_id)
            values ('drop', $1, '', 'x', 1) on conflict do nothing""",
            kind,
        )

    async def expect(
        self,
        pipeline: Pipeline,
        window: tuple[str, datetime, datetime],
        windows: int,
        rate: float,
        *,
        learned: bool,
    ) -> None:
        """Have the detector expect a rate of the first pair, whatever the age; `windows` are in its baseline."""
        tenant, identifier = pipeline
        likely = rate * np.tril(np.ones((12, 12), np.float32))[:, None]
        expected = Expectation(np.array([learned]), likely, np.array([0.01], np.float32))
        await self.connection.execute(
            """insert into funnelproof.alert_expectation (rule, tiling, tenant_id, pipeline_id, from_stage_id,
            to_stage_id, window_name, window_start, window_end, windows, learned, spread, likely)
            values ('drop', '', $1, $2, $3, $4, $5, $6, $7, $8, $9, 0.01, $10)
            on conflict on constraint alert_expectation_pkey do update
            set windows = excluded.windows, learned = excluded.learned, window_start = excluded.window_start""",
            tenant, identifier, name(identifier, 0), name(identifier, 1), *window, windows, learned,
            pack(expected)[0],
        )  # fmt: skip

    async def age(
        self,
        pipeline: Pipeline,
        window: tuple[str, datetime, datetime],
        deals: tuple[int, int],
        after: int = 2,
    ) -> None:
        """Have the deals of an open window's first pair enter in its first twelfth, and convert `after` twelfths on."""
        entered, converted = deals
        places = ((0, entered * UNITS[0]), (1, converted * UNITS[after]))
        for place, profile in places:
            await self.connection.execute(
                """update funnelproof.partial set profile = $1
                where pipeline_id = $2 and from_stage_id = $3 and to_stage_id = $4
                and (window_name, window_start, window_end) = ($5, $6, $7)""",
                Decimal(profile), pipeline[1], name(pipeline[1], 0), name(pipeline[1], place), *window,
            )  # fmt: skip

    async def fire(
        self, tenant: UUID, pipeline: UUID, kind: str, start: datetime, end: datetime, rate: float = 0.25
    ) -> None:
        """Have an alert fire on the first pair of a pipeline, and write the transition down."""
        alert, pair = name("alert", pipeline, kind), (name(pipeline, 0), name(pipeline, 1))
        content = json.dumps(
            {
                "from_stage": "Lead", "to_stage": "Qualified", "rate": rate, "expected_rate": 0.449, "odds": 5200.4,
                "budget": "1 per pipeline per month", "since": start.isoformat(),
                "tenant": "Aurora Energy", "pipeline": "New business",
            }
        )  # fmt: skip
        await self.connection.execute(
            """insert into funnelproof.alert_state (alert_id, rule, kind, severity, window_name, tiling, tenant_id,
            pipeline_id, from_stage_id, to_stage_id, state, number, active_since, fired_at, window_start, window_end,
            content, changed_at)
            values ($1, 'drop', 'drop', 'warning', $2, '', $3, $4, $5, $6, 'firing', 1, $7, $7, $8, $9, $10, $7)""",
            alert, kind, tenant, pipeline, *pair, NOW, start, end, content,
        )  # fmt: skip
        await self.connection.execute(
            """insert into funnelproof.alert_event (event_id, alert_id, number, rule, kind, tenant_id, pipeline_id,
            from_stage_id, to_stage_id, window_name, window_start, window_end, transition, stands, at, decided_at,
            severity, content)
            values ($1, $2, 1, 'drop', 'drop', $3, $4, $5, $6, $7, $8, $9, 'fired', true, $10, $10, 'warning', $11)""",
            name(alert, 1), alert, tenant, pipeline, *pair, kind, start, end, NOW, content,
        )  # fmt: skip
