"""Findings in Postgres: an explanation replaces the findings of a window, an equal comparison resolves them."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from streams.explaining.finding import ConcernedRow, Fault, Finding, Witnesses
from streams.explaining.recording import record
from streams.reconciliation.reconcile import Sessions, compare
from streams.reconciliation.rounds import read_runs
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Pool
from tests.integration.closing.conftest import IDLE, SALES, START, TENANT, Desk, stage_id
from tests.integration.closing.quiet import let_a_deal_convert, sessions

__all__ = ["sessions"]

MINUTE = timedelta(minutes=1)
ROW = UUID(int=7)
UNRESOLVED = "select count(*) from funnelproof.finding where resolved_at is null"


@pytest.fixture(autouse=True)
async def closed(desk: Desk, sessions: Sessions) -> None:
    """Two windows of two pipelines are closed, with a deal in the first."""
    await let_a_deal_convert(desk, sessions)
    await desk.close(120, scopes=(SALES, IDLE))


async def found(pool: Pool, number: int, *faults: Fault) -> None:
    """Record an explanation of a window of the pipeline SALES."""
    start = START + number * MINUTE
    key = UUID(TENANT), UUID(SALES.pipeline_id), "1m", start
    run = (await read_runs(pool, {key: start + MINUTE}))[key]
    stages = UUID(stage_id(SALES, 0)), UUID(stage_id(SALES, 1))
    row = ConcernedRow(ROW, b"key", 1, 2, 3, in_source=True)
    seen = Witnesses(None, (1, 0), (2, 0), (3, 0))
    await record(pool, [key], [Finding(each, run, *stages, seen, "told", ROW, (row,)) for each in faults])


async def test_a_finding_is_written_whole_and_the_next_explanation_of_the_window_replaces_it(
    pool: Pool,
) -> None:
    await found(pool, 0, Fault.LOST, Fault.GHOST)
    await found(pool, 1, Fault.STALE)
    await found(pool, 0, Fault.FACT_EDITED)
    rows = await pool.fetch(
        "select fault, deal_id, revision, source_entered, log_entered, partials_entered, facts_converted, row_id, "
        "record_key, partition, belongs_to, version, in_source from funnelproof.finding "
        "inner join funnelproof.finding_row using (finding_id) order by finding_id"
    )
    told = (ROW, 1, None, 1, 2, 0, ROW, b"key", 1, 2, 3, True)
    assert [tuple(row) for row in rows] == [("stale", *told), ("fact_edited", *told)]
    await found(pool, 0)
    await found(pool, 1)
    assert await pool.fetchval("select count(*) from funnelproof.finding_row") == 0


async def test_the_role_of_workers_may_write_findings(pool: Pool, database: str) -> None:
    await pool.execute(sql("roles"))
    await pool.execute(sql("queries/store/grants"))
    async with asyncpg.create_pool(
        database, min_size=1, max_size=1, server_settings={"role": "funnelproof_worker"}
    ) as own:
        await found(own, 0, Fault.LOST)
        await found(own, 0, Fault.GHOST)
    assert await pool.fetchval("select array_agg(fault) from funnelproof.finding") == ["ghost"]


async def test_an_equal_comparison_resolves_the_findings_of_the_windows_that_it_has_compared(
    pool: Pool, sessions: Sessions
) -> None:
    await found(pool, 0, Fault.LOST)
    await found(pool, 1, Fault.LOST)
    assert (await compare(sessions, ClosedScope(pipeline_id=UUID(IDLE.pipeline_id)))).outcome == "equal"
    assert await pool.fetchval(UNRESOLVED) == 2
    await compare(sessions, ClosedScope(start=START + MINUTE))
    assert await pool.fetchval(UNRESOLVED) == 1
    await compare(sessions, ClosedScope(tenant_id=UUID(TENANT)))
    assert await pool.fetchval(UNRESOLVED) == 0
    assert await pool.fetchval("select count(*) from funnelproof.finding") == 2


async def test_a_window_that_still_differs_keeps_its_findings_and_the_others_lose_theirs(
    pool: Pool, sessions: Sessions
) -> None:
    await found(pool, 0, Fault.FACT_EDITED)
    await found(pool, 1, Fault.FACT_EDITED)
    await pool.execute(
        "update dyno_crm.report_stage_conversion_fact set entered_count = 9 where entered_count = 1"
    )
    assert (await compare(sessions, ClosedScope())).outcome == "different"
    starts = await pool.fetch("select window_start from funnelproof.finding where resolved_at is null")
    assert [row["window_start"] for row in starts] == [START]
