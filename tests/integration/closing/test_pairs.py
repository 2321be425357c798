"""Which pairs of stages a window is reported on: each stage and the next, or those that are configured."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from streams.domain.change import Scope
from streams.domain.pairs import Stage
from streams.errors import SettingsError
from streams.facts.closing import Published
from streams.facts.database import Pool
from tests.integration.closing.conftest import IDLE, SALES, START, Desk, entry, stage_id

MINUTE = timedelta(minutes=1)


async def publish(desk: Desk, second: float, order: str, scope: Scope = SALES) -> Published:
    """Publish with the pipeline's stages in this order: digits are stages, a dot leaves a gap in `display_order`."""
    stages = [
        Stage(scope, place, stage_id(scope, int(digit)), f"stage {digit}")
        for place, digit in enumerate(order)
        if digit != "."
    ]
    proof = desk.proof(second)
    proof = replace(proof, marker=replace(proof.marker, stages=stages))
    return await desk.closing.publish(proof, await desk.due(second))


async def pairs(pool: Pool, view: str = "current") -> list[str]:
    """Return the pairs that a view shows, by window, in digits of stages."""
    rows = await pool.fetch(
        f"""
        select string_agg(right(from_stage_id::text, 1) || right(to_stage_id::text, 1), ' '
            order by from_stage_id, to_stage_id)
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
