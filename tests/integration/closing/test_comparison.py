"""Comparing closed windows with the canonical SQL, batch by batch; the stream is what the test tells it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import asyncpg
import pytest

from streams.domain.change import Scope
from streams.errors import PreconditionError
from streams.publish.closing import Closing
from streams.reconciliation import ReconcileResult, batches, comparison
from streams.reconciliation.comparison import Comparison
from streams.reconciliation.reader import Reader
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
    monkeypatch.setattr(batches, "RUNS_AT_ONCE", 4)
    monkeypatch.setattr(comparison, "_PAUSE", 0.0)


class Both:
    """The CRM and the stream that follows it."""

    def __init__(self, desk: Desk, source: OwnConnection, pool: Pool) -> None:
        self.desk, self.source, self.pool = desk, source, pool
        self.proofs = 0
        self.batches = 0
        self.busy_until = 0

    async def enter(self, name: str, second: float, scope: Scope = SALES, *, streamed: bool = True) -> None:
        """A deal enters the first stage, and the second a moment later."""
        for stage in range(2):
            deal, row = uuid5(UUID(TENANT), name), uuid5(UUID(TENANT), f"{name} {stage}")
            await write_to_crm(self.source, deal, row, (scope, stage, second + stage / 10))
            if streamed:
                self.desk.write(str(row), entry(stage, second + stage / 10, scope), deal=str(deal))
        await self.desk.flush()

    async def compare(
        self, scope: ClosedScope | None = None, patience: float = 0, statement_seconds: float = 30
    ) -> ReconcileResult:
        async def prove() -> None:
            self.proofs += 1
            if 1 < self.proofs <= self.busy_until:
                await self.enter(f"deal of proof {self.proofs}", 62)
                await self.desk.close(541 + self.proofs, scopes=SCOPES)

        def count(compared: int, expected: int) -> None:
            assert compared <= expected
            self.batches += 1

        compared = Comparison(
            Reader(self.source, timedelta(seconds=statement_seconds)),
            self.pool,
            prove,
            scope or ClosedScope(),
            count,
        )
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
    assert (both.batches, both.proofs) == (5, 1)


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


async def test_a_run_that_gets_a_revision_within_each_look_is_looked_at_until_the_run_stays(
    both: Both,
) -> None:
    """
    source     deal 1 | snapshot | deal 2           | snapshot | deal 3           |
    facts      deal 1 |                  | 1 and 2  |                 | 1, 2 and 3 |
    look              | runs, source ......... runs | runs, source .......... runs | every look differs
    """
    await both.enter("late", 61)
    both.busy_until = 5
    result = await both.compare(patience=60)
    assert (result.outcome, result.differences, both.proofs) == ("equal", (), 6)


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


async def test_a_fact_that_was_deleted_and_one_that_was_added_are_found(both: Both) -> None:
    deleted = await both.pool.fetchrow(
        "delete from dyno_crm.report_stage_conversion_fact where pipeline_id = $2 and from_stage_id = $3 "
        "and run_id in (select run_id from funnelproof.window_run where window_start = $1) returning *",
        START + timedelta(minutes=8),
        UUID(IDLE.pipeline_id),
        UUID(stage_id(IDLE, 0)),
    )
    assert deleted is not None
    result = await both.compare()
    assert [(each.pair[0], each.fact, each.sql) for each in result.differences] == [
        (deleted["from_stage_id"], None, (0, 0))
    ]
    strange = dict(deleted) | {"to_stage_id": UUID(int=5)}
    for row in (dict(deleted), strange):
        await both.pool.execute(
            "insert into dyno_crm.report_stage_conversion_fact values ($1, $2, $3, $4, $5, $6, $7, $8)",
            *row.values(),
        )
    result = await both.compare()
    assert [(each.pair[1], each.fact, each.sql) for each in result.differences] == [
        (UUID(int=5), (0, 0), None)
    ]


async def test_windows_that_take_too_long_are_divided(both: Both) -> None:
    """A statement waits for the table's lock as long as it may; then the lock is gone."""
    async with both.pool.acquire() as blocker:
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("lock table dyno_crm.deal_pipeline_stage_state in access exclusive mode")
        comparing = asyncio.create_task(both.compare(statement_seconds=1))
        waiting = "select waitstart from pg_locks where not granted and relation = $1::regclass"
        waits: set[datetime] = set()
        while len(waits) < 2:  # the first statement was cancelled, and the second waits
            await asyncio.sleep(0.02)
            if since := await both.pool.fetchval(waiting, "dyno_crm.deal_pipeline_stage_state"):
                waits.add(since)
        await transaction.rollback()
    result = await comparing
    assert (result.outcome, result.runs, both.batches) == ("equal", 18, 6)


async def test_a_window_that_takes_too_long_by_itself_is_named_with_the_remedy(both: Both) -> None:
    async with both.pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("lock table dyno_crm.deal_pipeline_stage_state in access exclusive mode")
        with pytest.raises(PreconditionError, match=r"the windows 1m from 2026-11-23T12:00.*create index"):
            await both.compare(statement_seconds=0.1)
    assert (await both.compare()).outcome == "equal"


async def test_windows_that_overlap_are_compared_each_by_itself(both: Both) -> None:
    """As after a change of the timezone: a longer window begins within a window of the same tenant."""
    run_id, start = UUID(int=7), START + timedelta(seconds=30)
    await both.pool.execute(
        "insert into dyno_crm.report_run (id, tenant_id, report_type, generated_at, parameters) select $1, tenant_id, "
        "report_type, generated_at, parameters from dyno_crm.report_run where period_start = $2 "
        "and parameters ->> 'pipeline_id' = $3",
        *(run_id, START, SALES.pipeline_id),
    )
    await both.pool.execute(
        "insert into funnelproof.window_run select $1, tenant_id, pipeline_id, window_name, $3, $4, 1, causes, null, "
        "null, epoch, positions, proof_id from funnelproof.window_run where window_start = $2 and pipeline_id = $5",
        *(run_id, START, start, start + 4 * timedelta(minutes=1), UUID(SALES.pipeline_id)),
    )
    await both.pool.execute(
        "insert into dyno_crm.report_stage_conversion_fact select $1, tenant_id, pipeline_id, from_stage_id, "
        "to_stage_id, entered_count, converted_count, conversion_rate from dyno_crm.report_stage_conversion_fact "
        "where run_id = (select run_id from funnelproof.window_run where window_start = $2 and pipeline_id = $3)",
        *(run_id, START, UUID(SALES.pipeline_id)),
    )
    await both.pool.execute(
        "insert into funnelproof.time_window values ('1m', $1, $2, '{}', $2)",
        start,
        start + timedelta(minutes=4),
    )
    result = await both.compare()
    assert (result.outcome, result.runs) == ("equal", 19)
    await both.source.execute(
        "update dyno_crm.deal_pipeline_stage_state set entered_at = entered_at + interval '40 seconds' "
        "where entered_at < $1",
        START + timedelta(minutes=1),
    )
    result = await both.compare()
    assert {each.run.window_start for each in result.differences} == {start}
