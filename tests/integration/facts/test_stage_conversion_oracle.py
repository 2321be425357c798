"""The canonical SQL against the query it came from and a model in Python, over small random histories."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from streams.resources import sql
from streams.store.database import OwnConnection
from tests.depth import examples

# Ids fall in an order that has nothing to do with the stages' display order.
STAGES = [UUID(int=(0x9E3779B97F4A7C15 * n) % 2**64) for n in range(1, 9)]
DEALS = [UUID(int=n) for n in range(1, 4)]
TENANTS = [UUID(int=0xA), UUID(int=0xB)]
PIPELINES = [UUID(int=0xC), UUID(int=0xD)]
TENANT, PIPELINE = TENANTS[0], PIPELINES[0]

#        -1us | start, +1us ... a few instants close together ... -1us | end
#  ----------[==========================================================)---------
START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
INSTANTS = [START + n * MICROSECOND for n in (-1, 0, 1, 2, 3)] + [END + n * MICROSECOND for n in (-2, -1, 0)]

SEED = (Path(__file__).parent / "seed" / "stage_conversion.sql").read_text("utf-8")
CANONICAL = sql("canonical/stage_conversion")

Pair = tuple[UUID, UUID]
Row = tuple[UUID, UUID, int, int, Decimal]


@dataclass(frozen=True)
class Stage:
    id: UUID
    tenant: UUID
    pipeline: UUID
    display_order: int


@dataclass(frozen=True)
class Entry:
    tenant: UUID
    deal: UUID
    pipeline: UUID
    stage: UUID
    entered_at: datetime


@dataclass(frozen=True)
class History:
    stages: list[Stage]
    entries: list[Entry]
    pairs: list[Pair] | None


def mostly(values: Sequence[UUID]) -> st.SearchStrategy[UUID]:
    return st.sampled_from([values[0]] * 5 + list(values))


@st.composite
def histories(draw: st.DrawFn) -> History:
    ids = draw(st.permutations(STAGES))
    contiguous = draw(st.booleans())
    stages = [
        Stage(
            id=ids[n],
            tenant=draw(mostly(TENANTS)),
            pipeline=draw(mostly(PIPELINES)),
            display_order=n if contiguous else draw(st.integers(-1, 6)),
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    entry = st.builds(
        Entry,
        tenant=mostly(TENANTS),
        deal=st.sampled_from(DEALS),
        pipeline=mostly(PIPELINES),
        stage=st.sampled_from(ids[: max(len(stages), 1)]),
        entered_at=st.sampled_from(INSTANTS),
    )
    own = [stage.id for stage in ordered_stages(stages)]
    pairs = (
        st.lists(st.tuples(st.sampled_from(own), st.sampled_from(own)), max_size=4) if own else st.just([])
    )
    return History(
        stages=stages,
        entries=draw(st.lists(entry, min_size=draw(st.sampled_from((0, 10, 20))), max_size=40)),
        pairs=draw(st.none() | pairs),
    )


def ordered_stages(stages: list[Stage]) -> list[Stage]:
    own = [stage for stage in stages if (stage.tenant, stage.pipeline) == (TENANT, PIPELINE)]
    return sorted(own, key=lambda stage: (stage.display_order, stage.id))


def model(history: History) -> list[Row]:
    """What the report means, one deal at a time."""
    order = [stage.id for stage in ordered_stages(history.stages)]
    pairs = set(history.pairs or pairwise(order))
    rows = []
    for source, target in sorted(pairs, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        entered = converted = 0
        for deal in DEALS:
            left, reached = first_entry(history, deal, source), first_entry(history, deal, target)
            entered += left is not None
            converted += left is not None and reached is not None and reached > left
        rate = Decimal(converted) / Decimal(entered) if entered else Decimal(0)
        rounded = rate.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
        rows.append((source, target, entered, converted, rounded))
    return rows


def first_entry(history: History, deal: UUID, stage: UUID) -> datetime | None:
    entries = [
        entry.entered_at
        for entry in history.entries
        if (entry.tenant, entry.pipeline, entry.deal, entry.stage) == (TENANT, PIPELINE, deal, stage)
        and START <= entry.entered_at < END
    ]
    return min(entries, default=None)


def seed_is_well_defined(history: History) -> bool:
    # Given pairs always are, once the derived ones that come with them are set aside. Derived ones are where
    # the pipeline is one tenant's and its stages count on without gaps and ties.
    if history.pairs:
        return True
    of_pipeline = [stage for stage in history.stages if stage.pipeline == PIPELINE]
    orders = sorted(stage.display_order for stage in of_pipeline)
    return all(stage.tenant == TENANT for stage in of_pipeline) and all(
        b == a + 1 for a, b in pairwise(orders)
    )


async def load(connection: OwnConnection, history: History) -> None:
    await connection.executemany(
        "insert into dyno_crm.pipeline_stage (id, tenant_id, pipeline_id, display_order)"
        " values ($1, $2, $3, $4)",
        [(stage.id, stage.tenant, stage.pipeline, stage.display_order) for stage in history.stages],
    )
    await connection.executemany(
        "insert into dyno_crm.deal_pipeline_stage_state"
        " (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)"
        " values (gen_random_uuid(), $1, $2, $3, $4, $5)",
        [(row.tenant, row.deal, row.pipeline, row.stage, row.entered_at) for row in history.entries],
    )


def pairs_json(history: History) -> str | None:
    if history.pairs is None:
        return None
    return json.dumps(
        [
            {"pipeline_id": str(PIPELINE), "from_stage_id": str(source), "to_stage_id": str(target)}
            for source, target in history.pairs
        ]
    )


@settings(
    max_examples=examples(300),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(history=histories())
async def test_the_canonical_sql_equals_the_model_and_the_seed_wherever_that_is_well_defined(
    shared_connection: OwnConnection, history: History
) -> None:
    transaction = shared_connection.transaction()
    await transaction.start()
    try:
        await load(shared_connection, history)
        arguments = (TENANT, PIPELINE, START, END, pairs_json(history))
        canonical = [tuple(row) for row in await shared_connection.fetch(CANONICAL, *arguments)]
        seed = await shared_connection.fetch(SEED, *arguments, UUID(int=0))
    finally:
        await transaction.rollback()

    assert canonical == model(history)
    event(f"seed well defined: {seed_is_well_defined(history)}, rows: {min(len(canonical), 3)}")
    if seed_is_well_defined(history):
        asked = set(history.pairs or [(row["from_stage_id"], row["to_stage_id"]) for row in seed])
        of_seed = [tuple(row)[3:] for row in seed if (row["from_stage_id"], row["to_stage_id"]) in asked]
        assert sorted(canonical) == sorted(of_seed)


async def test_the_canonical_sql_finds_its_rows_by_an_index_on_tenant_pipeline_and_time(
    connection: OwnConnection,
) -> None:
    await connection.execute(
        "create index by_time on dyno_crm.deal_pipeline_stage_state (tenant_id, pipeline_id, entered_at);"
        "set enable_seqscan = off"
    )
    plan = await connection.fetch(f"explain {CANONICAL}", TENANT, PIPELINE, START, END, None)
    conditions = [line for (line,) in plan if "Index Cond" in line and "entered_at" in line]
    assert len(conditions) == 1
    assert all(column in conditions[0] for column in ("tenant_id", "pipeline_id"))
