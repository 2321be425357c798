"""Labels come from the CRM to the report database, by the operator's own query; a bad query ends nothing."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from streams.completeness.labels import LOOK_EVERY, LabelWatch
from streams.resources import sql
from streams.store.database import OwnConnection, Pool
from streams.store.installation import register_installation
from streams.store.keep_trying import PASSING_ERRORS
from streams.store.labels import Labels, known_labels
from tests.integration.closing.conftest import START

ACME, BETA = (f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in "ab")
SALES = "bbbbbbbb-0000-4000-8000-00000000000b"
ODD = 'Bäckerei "Köhler" & <Söhne>\\ \'; drop table x; --\n\x1b[31m株式会社 \U0001f600'
TABLES = """
    create schema shop;
    create table shop.tenant (id uuid primary key, name varchar(80));
    create table shop.pipeline (id uuid primary key, title text);
"""
QUERY = "select 'tenant' as kind, id, name from shop.tenant union all select 'pipeline', id, title from shop.pipeline"


@pytest.fixture
async def source(crm: OwnConnection) -> AsyncIterator[OwnConnection]:
    """The CRM with a schema of names, which goes with the test: other tests use the database."""
    await crm.execute(TABLES)
    await crm.execute("insert into shop.tenant values ($1, 'Acme'), ($2, $3)", ACME, BETA, ODD)
    await crm.execute("insert into shop.pipeline values ($1, 'Sales')", SALES)
    yield crm
    await crm.execute("reset role; drop schema shop cascade")


@pytest.fixture
async def report(database: str) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        async with pool.acquire() as connection:
            await register_installation(connection, "funnelproof", START)
        yield pool


async def facts(report: Pool) -> asyncpg.Record:
    """Return what `status` reads."""
    row = await report.fetchrow(sql("queries/operations/status_facts"))
    assert row is not None
    return row


async def test_labels_are_read_with_the_operators_query_and_odd_characters_survive(
    source: OwnConnection, report: Pool
) -> None:
    for query in (QUERY, f"  {QUERY};\n", f"{QUERY} -- the names", f"with x as ({QUERY}) table x"):
        await LabelWatch(None, report).look(source, 0.0)
        assert await known_labels(report) == Labels()
        watch = LabelWatch(query, report)
        await watch.look(source, 0.0)
        assert await known_labels(report) == Labels({ACME: "Acme", BETA: ODD}, {SALES: "Sales"}), query
        assert (watch.failures, watch.trouble.why) == (0, None), query
        assert ((await facts(report))["labels"], (await facts(report))["labels_trouble"]) == (3, None), query


async def test_labels_follow_the_source_with_a_look_a_minute(source: OwnConnection, report: Pool) -> None:
    watch = LabelWatch(QUERY, report)
    await watch.look(source, 0.0)
    await source.execute("update shop.tenant set name = 'Acme Inc' where id = $1", ACME)
    await source.execute("delete from shop.tenant where id = $1", BETA)
    before = await report.fetchval("select xmin::text from funnelproof.label where kind = 'pipeline'")
    await watch.look(source, LOOK_EVERY - 1)
    assert (await known_labels(report)).tenants[ACME] == "Acme"
    await watch.look(source, LOOK_EVERY)
    assert await known_labels(report) == Labels({ACME: "Acme Inc"}, {SALES: "Sales"})
    after = await report.fetchval("select xmin::text from funnelproof.label where kind = 'pipeline'")
    assert after == before  # an unchanged label is not written


BAD = [
    ("selec 1", "syntax error at or near"),
    ("", "syntax error"),
    ("select 1", "column label.kind does not exist"),
    ("select 'tenant' as kind, id from shop.tenant", "column label.name does not exist"),
    ("select kind, id, name from shop.nowhere", 'relation "shop.nowhere" does not exist'),
    ("select 'tenant' as kind, $1::uuid as id, 'x' as name", "the server expects 1 argument"),
    ("select 'tenant' as kind, id, name from shop.tenant; select 1", "syntax error"),
    ("select 'tenant' as kind, id, (1 / 0)::text as name from shop.tenant", "division by zero"),
    ("select 'tenant' as kind, id, name from shop.tenant, pg_sleep(5)", "took more than 2 s"),
    (
        "select 'tenant' as kind, id, setval('shop.s', 7)::text as name from shop.tenant",
        "cannot execute setval() in a read-only transaction",
    ),
]
"""Bad queries, each with words of the error."""


async def test_a_bad_query_is_one_error_counted_and_visible_and_changes_no_label(
    source: OwnConnection, report: Pool
) -> None:
    await source.execute("create sequence shop.s")
    await LabelWatch(QUERY, report).look(source, 0.0)
    labels = await known_labels(report)
    for number, (query, told) in enumerate(BAD, 1):
        watch = LabelWatch(query, report)
        await watch.look(source, 0.0)
        await watch.look(source, LOOK_EVERY)
        assert watch.failures == 2, query
        assert watch.trouble.why is not None
        assert told in watch.trouble.why
        assert "\n" not in watch.trouble.why
        assert (await facts(report))["labels_trouble"] == watch.trouble.why
        assert await report.fetchval("select failures from funnelproof.label_look") == 2 * number
        assert await known_labels(report) == labels, query
        assert await source.fetchval("select count(*) from shop.tenant") == 2  # the session works on
        assert await source.fetchval("show statement_timeout") == "0"
        assert await source.fetchval("select last_value from shop.s") == 1

        mended = LabelWatch(QUERY, report)
        await mended.look(source, 0.0)
        assert (await facts(report))["labels_trouble"] is None, query


async def test_a_role_without_the_right_to_read_the_names_is_told_so(
    source: OwnConnection, report: Pool
) -> None:
    await source.execute("set role pg_monitor")
    watch = LabelWatch(QUERY, report)
    await watch.look(source, 0.0)
    assert watch.trouble.why is not None
    assert "permission denied for schema shop" in watch.trouble.why


async def test_rows_that_are_no_labels_are_told_and_the_others_are_kept(
    source: OwnConnection, report: Pool
) -> None:
    watch = LabelWatch(f"{QUERY} union all select 'tennant', gen_random_uuid(), 'x'", report)
    await watch.look(source, 0.0)
    assert (await known_labels(report)).pipelines == {SALES: "Sales"}
    assert (await facts(report))["labels_trouble"] == (
        "1 of 4 rows cannot be used, the first because the kind 'tennant' is neither tenant nor pipeline"
    )
    assert watch.failures == 1


async def test_without_a_query_there_are_no_labels_any_more(source: OwnConnection, report: Pool) -> None:
    await LabelWatch(QUERY, report).look(source, 0.0)
    await LabelWatch(None, report).look(source, 0.0)
    assert await known_labels(report) == Labels()


async def test_a_lost_session_is_no_mistake_of_the_query(
    source: OwnConnection, report: Pool, database: str
) -> None:
    lost = await asyncpg.connect(database)
    await source.execute("select pg_terminate_backend($1)", lost.get_server_pid())
    watch = LabelWatch(QUERY, report)
    with pytest.raises(PASSING_ERRORS):
        await watch.look(lost, 0.0)
    assert watch.failures == 0
