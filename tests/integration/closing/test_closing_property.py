"""Whatever is written, in whatever order, and whenever windows close: closed facts are the canonical SQL's."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid5

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.domain.change import Scope
from streams.facts.database import Connection, Pool
from streams.facts.installation import register_installation
from streams.resources import sql
from tests.integration.closing.conftest import (
    IDLE,
    PARTITIONS,
    SALES,
    START,
    TENANT,
    Desk,
    desk_of,
    entry,
    stage_id,
)
from tests.servers import new_database

OTHER_TENANT = Scope("aaaaaaaa-0000-4000-8000-00000000000b", SALES.pipeline_id)
SCOPES = (SALES, IDLE, OTHER_TENANT)

deals = st.integers(0, 3)
rows = st.integers(0, 4)
seconds = st.sampled_from([0.0, 0.000001, 1.0, 2.0, 59.999999, 60.0, 61.0, 119.999999])
write = st.tuples(
    st.just("write"), deals, rows, st.tuples(st.sampled_from(SCOPES), st.integers(0, 2), seconds) | st.none()
)
flush = st.tuples(st.just("flush"), st.integers(0, PARTITIONS - 1))
close = st.tuples(st.just("close"), st.sampled_from([30, 60, 90, 120]))


@pytest.fixture(scope="module")
async def shared_pool(postgres_dsn: str, template: str) -> AsyncIterator[Pool]:
    async with (
        new_database(postgres_dsn, template) as dsn,
        asyncpg.create_pool(dsn, min_size=1, max_size=4, server_settings={"timezone": "UTC"}) as pool,
    ):
        yield pool


async def emptied(pool: Pool) -> Desk:
    async with pool.acquire() as connection:
        await connection.execute(
            """
            truncate dyno_crm.deal_pipeline_stage_state, dyno_crm.report_run, funnelproof.installation,
                funnelproof.epoch, funnelproof.partial, funnelproof.time_window, funnelproof.change_note,
                funnelproof.proof, funnelproof.prover, funnelproof.touched_window, funnelproof.pipeline_stage cascade
            """
        )
        await register_installation(connection, "funnelproof", START)
    return await desk_of(pool)


async def write_to_crm(
    connection: Connection, deal: UUID, row: UUID, new: tuple[Scope, int, float] | None
) -> None:
    if new is None:
        await connection.execute("delete from dyno_crm.deal_pipeline_stage_state where id = $1", row)
        return
    scope, stage, second = new
    await connection.execute(
        """
        insert into dyno_crm.deal_pipeline_stage_state
            (id, deal_id, tenant_id, pipeline_id, pipeline_stage_id, entered_at)
        values ($1, $2, $3::text::uuid, $4::text::uuid, $5::text::uuid, $6)
        on conflict (id) do update set tenant_id = excluded.tenant_id, pipeline_id = excluded.pipeline_id,
            pipeline_stage_id = excluded.pipeline_stage_id, entered_at = excluded.entered_at
        """,
        row,
        deal,
        scope.tenant_id,
        scope.pipeline_id,
        stage_id(scope, stage),
        START + timedelta(seconds=second),
    )


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.one_of(write, write, write, flush, close), max_size=40))
async def test_closed_facts_are_what_the_canonical_sql_gives(
    shared_pool: Pool, steps: list[tuple[object, ...]]
) -> None:
    desk = await emptied(shared_pool)
    latest = 0
    for step in [*steps, ("close", 120)]:
        match step:
            case ("write", int(deal_number), int(row_number), new):
                deal = uuid5(UUID(TENANT), f"deal {deal_number}")
                row = uuid5(deal, f"row {row_number}")
                told = None if new is None else entry(new[1], new[2], new[0])  # type: ignore[index]  # a tuple or None
                desk.write(str(row), told, deal=str(deal), partition=deal_number % PARTITIONS)
                async with shared_pool.acquire() as connection:
                    await write_to_crm(connection, deal, row, new)  # type: ignore[arg-type]  # as drawn
            case ("flush", int(partition)):
                await desk.flush(partition)
            case ("close", int(second)) if second >= latest:
                # A window closes only once everything before its proof is in the partials.
                latest = second
                await desk.flush()
                await desk.close(second, scopes=SCOPES)
                await compare(shared_pool, windows=second // 60)


async def compare(pool: Pool, windows: int) -> None:
    """Every closed window has a run of every pipeline, and each fact is the canonical SQL's count."""
    runs = await pool.fetch(
        """
        select run.tenant_id, run.pipeline_id, run.window_start, run.window_end,
            header.parameters -> 'stage_pairs' as pairs,
            array_agg(
                (fact.from_stage_id, fact.to_stage_id,
                    fact.entered_count, fact.converted_count, fact.conversion_rate)
                order by fact.from_stage_id
            ) as facts
        from funnelproof.latest_run as run
        inner join dyno_crm.report_run as header on run.run_id = header.id
        inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
        group by run.run_id, 1, 2, 3, 4, 5
        """
    )
    assert len(runs) == windows * len(SCOPES)
    for run in runs:
        expected = await pool.fetch(
            sql("canonical/stage_conversion"),
            run["tenant_id"],
            run["pipeline_id"],
            run["window_start"],
            run["window_end"],
            json.dumps(json.loads(run["pairs"])),
        )
        assert run["facts"] == sorted(tuple(row) for row in expected)
