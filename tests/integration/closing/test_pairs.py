"""Which pairs of stages a window is reported on: each stage and the next, or those that are configured."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from streams.domain.change import Scope
from streams.domain.pairs import Stage, StagePairs
from streams.errors import PreconditionError, SettingsError
from streams.publish import revising
from streams.publish.closing import Closing, Published
from streams.publish.revising import RevisionProgress, request_present_pairs, revision_progress
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Pool
from streams.store.stage_pairs import check_pairs, keep_pairs
from tests.integration.closing.conftest import IDLE, SALES, START, Desk, entry, stage_id

A, B, C = (stage_id(SALES, stage) for stage in range(3))


async def publish(desk: Desk, second: float, order: str) -> Published:
    """Publish with the pipeline's stages in this order: digits are stages, a dot leaves a gap in `display_order`."""
    stages = [
        Stage(SALES, place, stage_id(SALES, int(digit)), f"stage {digit}")
        for place, digit in enumerate(order)
        if digit != "."
    ]
    proof = desk.proof(second)
    proof = replace(proof, marker=replace(proof.marker, stages=stages))
    return await desk.closing.publish(proof, await desk.due(second))


async def configure(desk: Desk, pool: Pool, chosen: StagePairs) -> None:
    """Start the desk's worker anew with these pairs."""
    async with pool.acquire() as connection:
        await keep_pairs(connection, chosen)
    desk.closing = Closing(pool, desk.epoch, timedelta(0), "worker", stage_pairs=chosen)


async def request(pool: Pool, scope: ClosedScope | None = None) -> int:
    async with pool.acquire() as connection:
        return await request_present_pairs(connection, scope or ClosedScope())


async def pairs(pool: Pool, view: str = "current") -> list[str]:
    """Return the pairs that a view shows, by window, in digits of stages."""
    rows = await pool.fetch(
        f"""
        select string_agg(right(from_stage_id::text, 1) || right(to_stage_id::text, 1), ' '
            order by right(from_stage_id::text, 1), right(to_stage_id::text, 1))
        from dyno_crm.stage_conversion_{view} group by window_start order by window_start
        """  # noqa: S608 - one of two names
    )
    return [row[0] for row in rows]


async def test_each_stage_is_paired_with_the_next_whatever_gaps_there_are(desk: Desk, pool: Pool) -> None:
    await publish(desk, 60, "2..01")
    assert await pairs(pool) == ["01 20"]


async def test_stages_of_the_same_order_follow_each_other_by_their_identifiers(
    desk: Desk, pool: Pool
) -> None:
    proof = desk.proof(60)
    tied = [replace(stage, display_order=7) for stage in reversed(proof.marker.stages)]
    await desk.closing.publish(replace(proof, marker=replace(proof.marker, stages=tied)), await desk.due(60))
    assert await pairs(pool) == ["01 12"]


async def test_a_pipeline_of_one_stage_has_nothing_to_report_on(desk: Desk) -> None:
    assert await publish(desk, 60, "0") == Published(windows=1)


async def test_pairs_that_are_configured_take_the_place_of_each_stage_and_the_next(
    desk: Desk, pool: Pool
) -> None:
    await configure(desk, pool, {SALES: ((A, C), (C, B))})
    desk.write("a", entry(0, 1))
    desk.write("c", entry(2, 2))
    desk.write("x", entry(0, 3, IDLE), deal="other")
    desk.write("y", entry(1, 4, IDLE), deal="other")
    await desk.flush()
    assert await desk.close(30, scopes=(SALES, IDLE)) == Published()
    assert await pairs(pool, "live") == ["01 02 12 21"]
    assert await desk.close(60, scopes=(SALES, IDLE)) == Published(windows=1, closed_runs=2)
    assert await pairs(pool) == ["01 02 12 21"]
    assert await desk.facts() == [(1, 1, 1), (1, 1, 0)]
    assert await desk.facts(scope=IDLE) == [(1, 1, 1), (1, 1, 0)]
    told = "select parameters from dyno_crm.report_run where parameters ->> 'pipeline_id' = $1"
    assert sorted(
        (pair["from_stage_id"], pair["to_stage_id"])
        for pair in json.loads(await pool.fetchval(told, SALES.pipeline_id))["stage_pairs"]
    ) == [(A, C), (C, B)]


async def test_a_configured_pair_is_left_out_while_one_of_its_stages_is_gone(desk: Desk, pool: Pool) -> None:
    await configure(desk, pool, {SALES: ((A, C), (A, B))})
    await publish(desk, 60, "01")
    await publish(desk, 120, "012")
    assert await pairs(pool) == ["01", "01 02"]


async def test_a_closer_whose_pairs_are_not_those_that_the_last_worker_came_with_is_refused(
    desk: Desk, pool: Pool
) -> None:
    async with pool.acquire() as connection:
        await keep_pairs(connection, {SALES: ((A, C),)})
    with pytest.raises(PreconditionError, match="FUNNELPROOF_STAGE_PAIRS"):
        await desk.close(60)


async def test_the_order_in_which_pairs_are_written_does_not_matter(desk: Desk, pool: Pool) -> None:
    await configure(desk, pool, {SALES: ((A, C), (A, B)), IDLE: ((B, C),)})
    async with pool.acquire() as connection:
        await keep_pairs(connection, {IDLE: ((B, C),), SALES: ((A, B), (A, C))})
    await desk.close(60)


async def test_configured_pairs_that_the_crm_does_not_know_are_all_named(database: str, pool: Pool) -> None:
    await pool.executemany(
        "insert into dyno_crm.pipeline_stage (id, tenant_id, pipeline_id, display_order) "
        "values ($1::text::uuid, $2::text::uuid, $3::text::uuid, 1)",
        [(A, *SALES), (B, *SALES), (stage_id(IDLE, 0), *IDLE)],
    )
    other = Scope(SALES.tenant_id, A)
    connection = await asyncpg.connect(database)
    try:
        await check_pairs(connection, {SALES: ((B, A),)})
        with pytest.raises(SettingsError) as refused:
            await check_pairs(connection, {SALES: ((A, C), (B, A), (stage_id(IDLE, 0), B)), other: ((A, B),)})
    finally:
        await connection.close()
    strange = ", ".join(sorted([C, stage_id(IDLE, 0)]))
    assert str(refused.value).splitlines()[1:] == [
        f"  FUNNELPROOF_STAGE_PAIRS: {other.tenant_id}/{A}: the CRM has no such tenant and pipeline",
        f"  FUNNELPROOF_STAGE_PAIRS: {'/'.join(SALES)}: the pipeline has no stage {strange}",
    ]


async def test_a_closed_window_is_published_with_the_pairs_of_now_when_asked_for(
    desk: Desk, pool: Pool
) -> None:
    """One stage goes, another order: one pair stays, one is left out, one is added."""
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    await desk.flush()
    await publish(desk, 60, "012")
    await publish(desk, 61, "201")
    assert await pairs(pool) == ["01 12"]
    assert await request(pool) == 1
    assert await publish(desk, 62, "201") == Published(revised_runs=1)
    assert await pairs(pool) == ["01 20"]
    changes = await pool.fetch(
        """
        select right(from_stage_id::text, 1) || right(to_stage_id::text, 1), entered_before, entered_after,
            converted_before, converted_after, causes, lowest_lsn
        from dyno_crm.stage_conversion_revisions order by 1
        """
    )
    assert [tuple(row) for row in changes] == [
        ("12", 1, None, 0, None, ["pairs_changed"], None),
        ("20", None, 0, None, 0, ["pairs_changed"], None),
    ]
    assert await request(pool) == 0
    assert await publish(desk, 63, "201") == Published()


async def test_a_request_names_both_causes_where_counts_change_too(desk: Desk, pool: Pool) -> None:
    await publish(desk, 60, "012")
    await publish(desk, 61, "01")
    await request(pool)
    desk.write("a", entry(0, 1))
    await desk.flush()
    assert await publish(desk, 62, "01") == Published(revised_runs=1)
    run = await pool.fetchrow(
        "select causes, lowest_lsn - '0/0'::pg_lsn from funnelproof.window_run where revision = 2"
    )
    assert run is not None
    assert tuple(run) == (["late_insert", "pairs_changed"], desk.lsn - 1)


async def test_a_window_that_waits_for_its_changes_to_settle_can_be_asked_for(desk: Desk, pool: Pool) -> None:
    patient = Closing(pool, desk.epoch, timedelta(hours=1), "worker")
    eager, desk.closing = desk.closing, patient
    await publish(desk, 60, "012")
    desk.write("a", entry(0, 1))
    await desk.flush()
    assert await publish(desk, 61, "01") == Published()
    assert await request(pool) == 1
    desk.closing = eager
    assert await publish(desk, 62, "01") == Published(revised_runs=1)
    assert await pairs(pool) == ["01"]
    assert await desk.facts() == [(2, 1, 0)]


async def test_a_request_comes_to_nothing_where_the_pairs_are_as_before_when_it_is_looked_at(
    desk: Desk, pool: Pool
) -> None:
    await publish(desk, 60, "012")
    await publish(desk, 61, "02")
    assert await request(pool) == 1
    assert await publish(desk, 62, "012") == Published()
    assert await pool.fetchval("select count(*) from funnelproof.touched_window") == 0


async def test_a_request_is_for_what_is_in_its_scope(
    desk: Desk, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revising, "LOOKED_AT_ONCE", 3)
    await desk.close(300, scopes=(SALES, IDLE))
    await configure(desk, pool, {SALES: ((A, C),), IDLE: ((stage_id(IDLE, 0), stage_id(IDLE, 2)),)})
    minute = timedelta(minutes=1)
    sales = UUID(SALES.pipeline_id)
    assert await request(pool, ClosedScope(window_name="1h")) == 0
    assert await request(pool, ClosedScope(tenant_id=UUID(A))) == 0
    assert await request(pool, ClosedScope(None, sales, "1m", START + minute, START + 3 * minute)) == 2
    async with pool.acquire() as connection:
        assert await revision_progress(connection, START) == RevisionProgress(2, 0)
        assert await desk.close(301, scopes=(SALES, IDLE)) == Published(revised_runs=2)
        assert await revision_progress(connection, START) == RevisionProgress(0, 2)
    assert await request(pool) == 8


async def test_a_pipeline_that_has_no_pairs_any_more_keeps_the_last(desk: Desk, pool: Pool) -> None:
    await publish(desk, 60, "012")
    await publish(desk, 61, "0")
    assert await request(pool) == 0
    assert await pairs(pool) == ["01 12"]


async def test_other_pairs_than_those_of_a_worker_that_lives_are_refused(
    desk: Desk, pool: Pool, database: str
) -> None:
    await configure(desk, pool, {SALES: ((A, C),)})
    alive = await asyncpg.connect(database, server_settings={"application_name": "a worker that lives"})
    await alive.execute(sql("queries/store/epoch_hold"))
    async with pool.acquire() as connection:
        await keep_pairs(connection, {SALES: ((A, C),)})
        with pytest.raises(PreconditionError, match="a worker that lives"):
            await keep_pairs(connection, {})
        assert await desk.close(60) == Published(windows=1, closed_runs=1)
        await alive.execute("select pg_advisory_unlock_all()")
        await alive.close()
        await keep_pairs(connection, {})
    with pytest.raises(PreconditionError, match="same settings"):
        await desk.close(61)
