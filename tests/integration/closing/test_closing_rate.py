"""How fast windows close and are revised, with many pipelines.

A measurement with a generous bound, since other tests run beside it: alone, each step takes one to two seconds.
"""

import time
from collections.abc import Sequence
from uuid import UUID, uuid5

import pytest

from streams.domain.change import Scope
from streams.publish.closing import Published
from streams.store.database import Pool
from tests.integration.closing.conftest import TENANT, Desk, entry, stage_id

pytestmark = pytest.mark.thorough

PIPELINES = 5_000
PAIRS = 4
SECONDS = 15.0


def scopes_of(pipelines: int) -> tuple[Scope, ...]:
    return tuple(Scope(TENANT, str(uuid5(UUID(TENANT), f"pipeline {n}"))) for n in range(pipelines))


async def enter_all_stages(desk: Desk, scopes: Sequence[Scope]) -> None:
    """Flush a deal for each pipeline, which enters every stage."""
    for number, scope in enumerate(scopes):
        for stage in range(PAIRS + 1):
            desk.write(
                f"{number} {stage}", entry(stage, stage, scope), deal=f"deal {number}", partition=number % 2
            )
    await desk.flush()


async def enter_late(desk: Desk, scopes: Sequence[Scope]) -> None:
    """Flush another deal for each pipeline, which belongs to the closed window."""
    for number, scope in enumerate(scopes):
        desk.write(f"{number} late", entry(1, 9, scope), deal=f"late {number}", partition=number % 2)
    await desk.flush()


async def timed(desk: Desk, scopes: tuple[Scope, ...], second: float) -> tuple[Published, float]:
    """Publish one proof; return what was published and in how many seconds."""
    due = await desk.due(second)
    proof = desk.proof(second, scopes=scopes, stages=PAIRS + 1)
    began = time.perf_counter()
    return await desk.closing.publish(proof, due), time.perf_counter() - began


async def forget_rows(pool: Pool) -> None:
    """Let the statistics tell of empty tables, as after an autovacuum while the first rows are not committed yet."""
    await pool.execute("vacuum analyze funnelproof.partial")
    await pool.execute("update pg_class set reltuples = 0 where relnamespace = 'funnelproof'::regnamespace")


@pytest.mark.parametrize(("entered", "pipelines"), [(0, PIPELINES // 4), (PIPELINES, PIPELINES)])
async def test_many_results_close_and_are_revised_within_seconds(
    desk: Desk, pool: Pool, entered: int, pipelines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    scopes = scopes_of(pipelines)
    await enter_all_stages(desk, scopes[:entered])
    published, first = await timed(desk, scopes, 60)
    assert published == Published(windows=1, closed_runs=pipelines)
    await pool.execute("analyze funnelproof.window_run")  # as autovacuum does within a minute
    await enter_late(desk, scopes)
    revised, seconds = 0, 0.0
    while revised < pipelines:
        published, spent = await timed(desk, scopes, 61)
        assert published.revised_runs
        revised, seconds = revised + published.revised_runs, seconds + spent
    facts = await pool.fetch(
        "select distinct revision, entered_count from dyno_crm.stage_conversion_current where from_stage_id = $1",
        UUID(stage_id(scopes[0], 1)),
    )
    assert [tuple(row) for row in facts] == [(2, 2 if entered else 1)]
    told = f"{pipelines} results of {PAIRS} pairs, {entered} with entries: closed in {first:.2f} s, "
    with capsys.disabled():
        print(f"\n{told}revised in {seconds:.2f} s")  # noqa: T201 - a measurement is for people
    assert first < SECONDS
    assert seconds < SECONDS


async def test_windows_close_and_are_revised_within_seconds_while_statistics_tell_of_empty_tables(
    desk: Desk, pool: Pool
) -> None:
    scopes = scopes_of(PIPELINES // 4)
    await enter_all_stages(desk, scopes)
    await forget_rows(pool)
    published, first = await timed(desk, scopes, 60)
    assert published == Published(windows=1, closed_runs=len(scopes))
    await enter_late(desk, scopes)
    await forget_rows(pool)
    published, second = await timed(desk, scopes, 61)
    assert published == Published(revised_runs=len(scopes))
    assert first < SECONDS
    assert second < SECONDS
