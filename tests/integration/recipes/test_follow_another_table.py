"""`sql/recipes/follow_another_table.sql`: whatever the CRM writes, the copy equals the history under the mapping."""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnelproof import run_stage_conversion_report
from streams.local.postgres_home import installed_programs
from streams.resources import sql
from streams.store.database import OwnConnection
from streams.store.migrations import migrate
from tests.depth import examples
from tests.servers import new_database

RECIPE = Path(__file__).parents[3] / "sql" / "recipes" / "follow_another_table.sql"
CRM = """
create table public.pipeline_stages (
    id bigint primary key, tenant_id bigint, pipeline_id bigint, name text, position integer
);
create table public.deal_stage_history (
    id bigint primary key, tenant_id bigint, deal_id bigint, pipeline_id bigint, stage_id bigint,
    entered_at timestamp, left_at timestamp
);
"""
INSERT = "insert into public.deal_stage_history values ($1, $2, $3, $4, $5, $6, $7)"
START = datetime(2026, 3, 1)  # noqa: DTZ001 - this CRM keeps times without a zone
COLUMNS = "id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at, exited_at"

ids = st.integers(1, 6)
numbers = st.integers(1, 3) | st.sampled_from([-1, 2**63 - 1, -(2**63)])
maybe = st.none() | numbers
times = (
    st.none()
    | st.sampled_from([datetime.max, datetime.min])  # infinity, to the driver  # noqa: DTZ901 - without a zone
    | st.integers(0, 10**9).map(lambda microseconds: START + timedelta(microseconds=microseconds))
)
values = st.tuples(maybe, maybe, maybe, maybe, times, st.none() | st.just(START))


@dataclass(frozen=True)
class Write:
    """A statement of the CRM, with its arguments."""

    statement: str
    arguments: tuple[object, ...] = ()


def written(statement: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Write]:
    return st.tuples(*arguments).map(lambda given: Write(statement, given))


writes = st.one_of(
    st.tuples(ids, values).map(lambda row: Write(f"{INSERT} on conflict (id) do nothing", (row[0], *row[1]))),
    st.tuples(ids, values).map(
        lambda row: Write(f"{INSERT} on conflict (id) do update set deal_id = $3", (row[0], *row[1]))
    ),
    written("update public.deal_stage_history set entered_at = $2 where id <= $1", ids, times),
    written("update public.deal_stage_history set deal_id = $2 where id = $1", ids, maybe),
    written("update public.deal_stage_history set left_at = entered_at, stage_id = $1", numbers),
    written("update public.deal_stage_history set left_at = left_at where id <> $1", ids),
    # To another id, where this id is free.
    written(
        "update public.deal_stage_history set id = $2 where id = $1"
        " and not exists (select from public.deal_stage_history where id = $2)",
        ids,
        ids,
    ),
    written("delete from public.deal_stage_history where id >= $1", ids),
    written("delete from public.deal_stage_history where deal_id = $1", numbers),
    st.just(Write("truncate public.deal_stage_history")),
)


def uuid_of(number: int) -> UUID:
    return UUID(int=number % 2**64)


def entry(row: asyncpg.Record) -> tuple[object, ...] | None:
    """Return the entry that a row of the history stands for, None if the row is no entry."""
    *keys, entered_at, left_at = row
    if None in keys or entered_at in {None, datetime.max, datetime.min}:  # noqa: DTZ901 - see `times`
        return None
    return *map(uuid_of, keys), entered_at.replace(tzinfo=UTC), left_at and left_at.replace(tzinfo=UTC)


async def differences(crm: OwnConnection) -> set[object]:
    """Return the rows that the copy has too many or too few, by the mapping in Python."""
    history = await crm.fetch("select * from public.deal_stage_history")
    copy = await crm.fetch(f"select {COLUMNS} from dyno_crm.deal_pipeline_stage_state")  # noqa: S608 - see above
    assert len(copy) == len({row["id"] for row in copy})
    return {mapped for row in history if (mapped := entry(row))} ^ {tuple(row) for row in copy}


def follow(dsn: str) -> None:
    psql = [str(installed_programs() / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-f", str(RECIPE), dsn]
    done = subprocess.run(psql, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
async def followed(postgres_dsn: str) -> AsyncIterator[OwnConnection]:
    """A CRM whose empty history is followed, for many examples, each of which rolls back what it wrote."""
    async with new_database(postgres_dsn, "template0") as dsn:
        crm = await asyncpg.connect(dsn)
        await crm.execute(CRM)
        await asyncio.to_thread(follow, dsn)
        yield crm
        await crm.close()


@settings(
    max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(writes, min_size=1, max_size=12), st.booleans())
async def test_whatever_is_written_the_copy_equals_the_history(
    followed: OwnConnection, history: list[Write], as_replica: bool
) -> None:
    transaction = followed.transaction()
    await transaction.start()
    try:
        # As a restore or logical replication writes.
        await followed.execute(
            f"set local session_replication_role = {'replica' if as_replica else 'origin'}"
        )
        for write in history:
            await followed.execute(write.statement, *write.arguments)
            assert await differences(followed) == set(), write
    finally:
        await transaction.rollback()


async def write_at_random(dsn: str, seed: int, stopped: asyncio.Event) -> int:
    """Write to the history until `stopped`, some transactions of several rows, some rolled back."""
    chance, committed = random.Random(seed), 0
    crm = await asyncpg.connect(dsn)
    while not stopped.is_set():
        transaction = crm.transaction()
        await transaction.start()
        for _ in range(chance.randint(1, 4)):
            row = chance.randint(1, 6000), 1, chance.randint(1, 99), 1, 1, START, None
            statement, arguments = chance.choice(
                [
                    (f"{INSERT} on conflict (id) do update set entered_at = now() at time zone 'UTC'", row),
                    ("update public.deal_stage_history set deal_id = deal_id + 1 where id = $1", row[:1]),
                    ("delete from public.deal_stage_history where id = $1", row[:1]),
                ]
            )
            try:
                await crm.execute(statement, *arguments)
            except asyncpg.DeadlockDetectedError:  # of two writers with each other
                break
        else:
            if chance.random() < 0.8:
                await transaction.commit()
                committed += 1
                continue
        await transaction.rollback()
    await crm.close()
    return committed


async def test_the_history_from_before_is_copied_while_the_crm_goes_on_writing(empty_database: str) -> None:
    crm = await asyncpg.connect(empty_database)
    await crm.execute(CRM)
    await crm.execute(
        "insert into public.deal_stage_history"
        " select id, case when id % 7 > 0 then 1 end, id % 99, 1, 1, now() from generate_series(1, 5000) as id"
    )
    stopped = asyncio.Event()
    writers = [asyncio.create_task(write_at_random(empty_database, seed, stopped)) for seed in range(3)]
    for _ in range(3):  # the file may be run again
        await asyncio.to_thread(follow, empty_database)
    stopped.set()
    assert min(await asyncio.gather(*writers)) > 5
    assert await differences(crm) == set()
    assert await crm.fetchval("select count(*) from dyno_crm.deal_pipeline_stage_state") > 3000
    await crm.close()


async def test_the_crm_s_role_needs_no_right_on_the_copy(followed: OwnConnection) -> None:
    transaction = followed.transaction()
    await transaction.start()
    try:
        await followed.execute(
            "create role of_the_crm; grant select, insert on public.deal_stage_history to of_the_crm;"
            " set local role of_the_crm"
        )
        await followed.execute(INSERT, 1, 1, 1, 1, 1, START, None)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with followed.transaction():
                await followed.execute("delete from dyno_crm.deal_pipeline_stage_state")
        await followed.execute("reset role")
        assert await differences(followed) == set()
    finally:
        await transaction.rollback()


async def test_the_report_counts_the_followed_tables(empty_database: str) -> None:
    crm = await asyncpg.connect(empty_database)
    await crm.execute(CRM)
    await asyncio.to_thread(follow, empty_database)
    await migrate(crm)
    await crm.execute(
        "insert into public.pipeline_stages values (10, 1, 5, 'Lead', 1), (20, 1, 5, 'Demo', 2)"
    )
    for number, (deal, stage) in enumerate([(7, 10), (8, 10), (7, 20)]):
        await crm.execute(INSERT, number, 1, deal, 5, stage, START + timedelta(hours=number), None)
    start = START.replace(tzinfo=UTC)
    await run_stage_conversion_report(crm, uuid_of(1), uuid_of(5), start, start + timedelta(days=1))
    facts = await crm.fetch(
        "select entered_count, converted_count from dyno_crm.report_stage_conversion_fact"
    )
    assert [tuple(fact) for fact in facts] == [(2, 1)]
    await crm.close()


def test_the_recipe_ships_with_the_program() -> None:
    assert sql("recipes/follow_another_table") == RECIPE.read_text("utf-8")
