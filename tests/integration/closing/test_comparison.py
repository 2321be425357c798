"""Comparing closed windows with the canonical SQL, batch by batch; the stream is what the test tells it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid5

import asyncpg
import pytest

from streams.domain.change import Scope
from streams.publish.closing import Closing
from streams.reconciliation import ReconcileResult, comparison
from streams.reconciliation.comparison import Comparison
from streams.store.closed_scope import ClosedScope
from streams.store.database import OwnConnection, Pool
from tests.integration.closing.conftest import IDLE, SALES, START, TENANT, Desk, entry, stage_id, write_to_crm

SCOPES = (SALES, IDLE)
PAIRS_A_RUN = 2


@pytest.fixture
async def source(database: str) -> AsyncIterator[OwnConnection]:
    connection = await asyncpg.connect(database, server_settings={"timezone": "UTC"})
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "RUNS_AT_ONCE", 4)
    monkeypatch.setattr(comparison, "_PAUSE", 0.0)


class Both:
    """The CRM and the stream that follows it."""

    def __init__(self, desk: Desk, source: OwnConnection, pool: Pool) -> None:
        self.desk, self.source, self.pool = desk, source, pool
        self.rounds = 0

    async def enter(self, name: str, second: float, scope: Scope = SALES, *, streamed: bool = True) -> None:
        """A deal enters the first stage, and the second a moment later."""
        for stage in range(2):
            deal, row = uuid5(UUID(TENANT), name), uuid5(UUID(TENANT), f"{name} {stage}")
            await write_to_crm(self.source, deal, row, (scope, stage, second + stage / 10))
            if streamed:
                self.desk.write(str(row), entry(stage, second + stage / 10, scope), deal=str(deal))
        await self.desk.flush()

    async def compare(self, scope: ClosedScope | None = None, patience: float = 0) -> ReconcileResult:
        async def prove() -> None:
            self.rounds += 1

        compared = Comparison(self.source, self.pool, prove, scope or ClosedScope())
        return await compared.run(timedelta(seconds=patience))


@pytest.fixture
async def both(desk: Desk, source: OwnConnection, pool: Pool) -> Both:
    """Nine windows of two pipelines are closed, with a deal in some."""
    both = Both(desk, source, pool)
    for number in (0, 3, 8):
        await both.enter(f"deal {number}", 60 * number + 1)
    await desk.close(540, scopes=SCOPES)
    return both


async def test_every_run_is_compared_a_bounded_number_at_a_time(both: Both) -> None:
    result = await both.compare()
    assert (result.outcome, result.runs, result.pairs) == ("equal", 18, 18 * PAIRS_A_RUN)
    assert both.rounds == 1 + 5


async def test_a_scope_bounds_what_is_compared(both: Both) -> None:
    minute = timedelta(minutes=1)
    scope = ClosedScope(UUID(TENANT), UUID(SALES.pipeline_id), "1m", START + minute, START + 8 * minute)
    assert (await both.compare(scope)).runs == 7
    nothing = await both.compare(ClosedScope(window_name="1h"))
    assert (nothing.outcome, nothing.reason) == (
        "undecided",
        "no closed window in scope: there is nothing to compare",
    )


async def test_a_difference_is_found_in_whatever_batch_it_lies(both: Both) -> None:
    run_id = await both.pool.fetchval(
        "update dyno_crm.report_stage_conversion_fact set entered_count = 7 where entered_count = 1 and run_id = "
        "(select run_id from funnelproof.window_run where window_start = $1 and pipeline_id = $2::text::uuid) "
        "and from_stage_id = $3::text::uuid returning run_id",
        START + timedelta(minutes=8),
        SALES.pipeline_id,
        stage_id(SALES, 0),
    )
    result = await both.compare()
    assert (result.outcome, result.runs) == ("different", 18)
    (difference,) = result.differences
    assert (difference.run.run_id, difference.fact, difference.sql) == (run_id, (7, 1), (1, 1))


async def test_a_revision_on_its_way_is_undecided_and_not_different(both: Both) -> None:
    await both.enter("late", 61)
    result = await both.compare()
    assert (result.outcome, result.runs, len(result.undecided)) == ("undecided", 17, 1)
    await both.desk.close(541, scopes=SCOPES)
    assert (await both.compare()).outcome == "equal"


async def test_entries_that_the_stream_lost_are_found_where_a_dormant_pipeline_has_no_run(
    both: Both,
) -> None:
    """Neither a run nor a count tells of that window; only the CRM does."""
    desk = both.desk
    desk.closing = Closing(both.pool, desk.epoch, timedelta(0), "worker", dormant_after=timedelta(minutes=1))
    await desk.close(660, scopes=SCOPES)
    assert (await both.compare()).runs == 18
    await both.enter("lost", 601, IDLE, streamed=False)
    result = await both.compare()
    assert (result.outcome, result.runs) == ("different", 19)
    assert [(each.run.run_id, each.fact, each.sql) for each in result.differences] == [
        (None, None, (1, 1)),
        (None, None, (1, 0)),
    ]
    found = result.differences[0].run
    assert (found.pipeline_id, found.window_start) == (UUID(IDLE.pipeline_id), START + timedelta(minutes=10))
    assert found.window_end == START + timedelta(minutes=11)
    await both.source.execute(
        "delete from dyno_crm.deal_pipeline_stage_state where entered_at >= $1", found.window_start
    )
    assert (await both.compare()).outcome == "equal"
