"""The canonical counts of many runs in one statement, held to the canonical SQL over small random histories."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from streams.reconciliation.canonical import canonical_counts
from streams.reconciliation.result import ClosedRun, Pair
from streams.resources import sql
from streams.store.database import OwnConnection
from tests.depth import examples

TENANTS = [UUID(int=0xA), UUID(int=0xB)]
PIPELINES = [UUID(int=0xC), UUID(int=0xD)]
STAGES = [UUID(int=0x100 + n) for n in range(3)]
DEALS = [UUID(int=n) for n in range(2)]
START = datetime(2026, 3, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAYS = [START + timedelta(days=day) for day in range(4)]
#        windows  | 0 | gap | 2 |, all of them, or with one more that lies across two
INSTANTS = [day + n * MICROSECOND for day in DAYS[:2] for n in (-1, 0, 1, 2)] + [
    DAYS[1] - timedelta(hours=6),
    DAYS[3],
]
SPANS = [*pairwise(DAYS), (DAYS[0] + timedelta(hours=12), DAYS[1] + timedelta(hours=12))]

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class History:
    entries: list[tuple[UUID, UUID, UUID, UUID, datetime]]
    runs: list[ClosedRun]


def run(tenant: UUID, pipeline: UUID, span: Span, pairs: list[Pair]) -> ClosedRun:
    start, end = span
    return ClosedRun(None, tenant, pipeline, "day", start, end, 1, tuple(pairs), {}, {}, 0, pending=False)


tenants = st.sampled_from([TENANTS[0]] * 4 + TENANTS)
pipelines = st.sampled_from([PIPELINES[0]] * 2 + PIPELINES)
spans = st.sampled_from([*SPANS[:2] * 2, *SPANS])
pairs = st.lists(
    st.tuples(st.sampled_from(STAGES), st.sampled_from(STAGES)), min_size=1, max_size=4, unique=True
)
histories = st.builds(
    History,
    st.lists(
        st.tuples(
            tenants,
            pipelines,
            st.sampled_from(DEALS),
            st.sampled_from(STAGES),
            st.sampled_from(INSTANTS),
        ),
        min_size=6,
        max_size=24,
    ),
    st.lists(
        st.builds(run, tenants, pipelines, spans, pairs),
        min_size=2,
        max_size=8,
        unique_by=lambda each: each.key,
    ),
)


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories)
async def test_many_runs_at_once_count_what_the_canonical_sql_counts_for_each(
    shared_connection: OwnConnection, history: History
) -> None:
    transaction = shared_connection.transaction()
    await transaction.start()
    try:
        await shared_connection.executemany(
            "insert into dyno_crm.deal_pipeline_stage_state "
            "(id, tenant_id, pipeline_id, deal_id, pipeline_stage_id, entered_at) "
            "values (gen_random_uuid(), $1, $2, $3, $4, $5)",
            history.entries,
        )
        found = await canonical_counts(shared_connection, history.runs)
        assert found.keys() == {each.key for each in history.runs}
        for each in history.runs:
            assert found[each.key] == await canonical(shared_connection, each)
    finally:
        await transaction.rollback()
    event("overlapping" if overlapping(history) else "apart")


async def canonical(connection: OwnConnection, run: ClosedRun) -> dict[Pair, tuple[int, int]]:
    rows = await connection.fetch(
        sql("canonical/stage_conversion"),
        run.tenant_id,
        run.pipeline_id,
        run.window_start,
        run.window_end,
        json.dumps([{"from_stage_id": str(a), "to_stage_id": str(b)} for a, b in run.pairs]),
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def overlapping(history: History) -> bool:
    return any((each.window_start, each.window_end) == SPANS[-1] for each in history.runs)
