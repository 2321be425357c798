"""Attempts to see rows of another tenant with the rights of the page's role, or over HTTP: each shows none.

The attempts beside those of test_access.py: nested views, aborted transactions, cached plans, cursors, streams and
pages of another tenant; error messages, statistics, shadowed functions, writes, and views of the installation.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import asyncpg
import httpx
import pytest

from streams.explaining import Fault
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import OwnConnection as Session
from streams.web.gate import TokenGate
from streams.web.tokens import add_token
from tests.integration.web.conftest import PLAIN, Town, serving
from tests.integration.web.desk import DAY, NOW, name
from tests.integration.web.found import find, finding, mend
from tests.integration.web.installation import compare, deliver, doubt, letter, living, mark

TODAY = NOW.replace(hour=0, minute=0, second=0)
VIEWS = (
    "web_run", "web_fact", "web_partial", "web_stage", "web_pair", "web_pipeline", "web_difference", "web_finding",
    "web_repair_action",
)  # fmt: skip


@pytest.fixture
async def session(town: Town) -> AsyncIterator[Session]:
    """A session with the rights of the page's role alone, which names the tenant acme."""
    connection = town.desk.connection
    await connection.execute(sql("roles"))
    await connection.execute(sql("queries/store/grants"))
    await connection.execute("set role funnelproof_web")
    await name_tenants(connection, str(town.acme))
    yield connection
    if connection.is_in_transaction():
        await connection.execute("rollback")
    await connection.execute("reset role")


@pytest.fixture
async def site(town: Town) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Clients with a token for acme, and with a token for the other tenant."""
    with serving(Settings(source_dsn=town.dsn), gate=TokenGate()) as address:
        mine, theirs = [
            httpx.AsyncClient(
                verify=PLAIN,
                base_url=address,
                timeout=20,
                headers={
                    "Authorization": f"Bearer {await add_token(town.desk.connection, f'{tenant}', [tenant], [], None)}"
                },
            )
            for tenant in (town.acme, town.other)
        ]
        async with mine, theirs:
            yield mine, theirs


async def name_tenants(session: Session, tenants: str) -> None:
    await session.execute("select set_config('funnelproof.tenants', $1, false)", tenants)


async def tenants_of(session: Session, query: str) -> set[UUID]:
    return {row["tenant_id"] for row in await session.fetch(query)}


async def test_a_view_on_a_view_shows_the_own_rows(session: Session, town: Town) -> None:
    for view in VIEWS:
        inner, outer = f"pg_temp.inner_{view}", f"pg_temp.outer_{view}"
        await session.execute(f"create view {inner} as select * from funnelproof.{view}")  # noqa: S608 - from above
        await session.execute(f"create view {outer} as select * from {inner} where tenant_id is not null")  # noqa: S608 - from above
        assert await tenants_of(session, f"select tenant_id from {outer}") <= {town.acme}, view  # noqa: S608 - from above
    joined = "select r.tenant_id from funnelproof.web_run r join funnelproof.web_fact f on f.tenant_id <> r.tenant_id"
    assert await tenants_of(session, joined) == set()


async def test_an_aborted_transaction_leaves_no_tenants_behind(session: Session, town: Town) -> None:
    await name_tenants(session, "")
    await session.execute("begin")
    await session.execute("select set_config('funnelproof.tenants', '*', true)")
    assert await tenants_of(session, "select tenant_id from funnelproof.web_run") == {town.acme, town.other}
    with suppress(asyncpg.PostgresError):
        await session.execute("select 1 / 0")
    await session.execute("rollback")
    assert await tenants_of(session, "select tenant_id from funnelproof.web_run") == set()


async def test_a_plan_that_was_made_for_all_tenants_shows_the_own_rows(session: Session, town: Town) -> None:
    await session.execute("set plan_cache_mode = force_generic_plan")
    await name_tenants(session, "*")
    prepared = await session.prepare("select tenant_id from funnelproof.web_run where revision >= $1")
    for setting, seen in (("*", {town.acme, town.other}), (str(town.acme), {town.acme}), ("", set())) * 3:
        await name_tenants(session, setting)
        assert {row["tenant_id"] for row in await prepared.fetch(1)} == seen


async def test_a_cursor_keeps_the_rows_of_the_tenants_that_opened_it(session: Session, town: Town) -> None:
    await session.execute("begin")
    await session.execute("declare kept cursor for select tenant_id from funnelproof.web_run")
    await session.execute("select set_config('funnelproof.tenants', $1, true)", str(town.other))
    seen = await tenants_of(session, "fetch all from kept")
    assert len(seen) <= 1
    await session.execute("rollback")


async def test_an_error_message_has_no_value_of_another_tenant(session: Session, town: Town) -> None:
    for view in VIEWS:
        for attempt in ("(tenant_id::text || 'x')::uuid is null", "tenant_id::text::integer = 1"):
            try:
                await session.fetch(f"select 1 from funnelproof.{view} where {attempt}")  # noqa: S608 - from above
            except asyncpg.PostgresError as error:
                assert str(town.other) not in str(error), view  # noqa: PT017 - no error at all is as good


async def test_statistics_and_the_catalogue_show_no_value(session: Session, town: Town) -> None:
    await session.execute("reset role")
    await session.execute("analyze")
    await session.execute("set role funnelproof_web")
    told = await session.fetch(
        "select most_common_vals::text as values, histogram_bounds::text as bounds from pg_stats"
        " where schemaname in ('funnelproof', 'dyno_crm')"
    )
    assert str(town.other) not in str(told)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await session.fetch("select starelid from pg_statistic limit 1")


async def test_a_function_of_the_same_name_is_not_called(session: Session, town: Town) -> None:
    await session.execute(
        "create function pg_temp.web_sees_all() returns boolean language sql as 'select true';"
        "create function pg_temp.current_setting(text, boolean) returns text language sql as $$select '*'$$"
    )
    await session.execute("set search_path = pg_temp, funnelproof, pg_catalog")
    assert await tenants_of(session, "select tenant_id from web_run") == {town.acme}
    runs = "select count(*) from funnelproof.web_latest_runs($1, $2, 'day', 'infinity', 9)"
    assert await session.fetchval(runs, town.other, town.theirs) == 0


async def test_views_of_the_installation_show_a_session_of_tenants_nothing(
    session: Session, town: Town
) -> None:
    desk = town.desk
    await session.execute("reset role")
    await mark(desk, needed={0: 100})
    await doubt(desk, "slot", "the slot was moved")
    await letter(desk, "no JSON", 7)
    await compare(desk, TODAY - DAY)
    await desk.judge("day")
    await desk.fire(town.acme, town.sales, "day", TODAY, TODAY + DAY)
    await deliver(desk, "on-call", age=300)
    await session.execute("set role funnelproof_web")
    views = (
        "proving", "worker", "epoch", "doubt", "dead_letter", "comparison", "delivery", "evaluator",
    )  # fmt: skip
    async with living(town.dsn, "worker", "one"):
        for setting, sees in (
            ("*", True),
            (str(town.acme), False),
            (f"{town.acme},{town.other}", False),
            ("", False),
        ):
            await name_tenants(session, setting)
            for view in views:
                rows = await session.fetch(f"select * from funnelproof.web_{view}")  # noqa: S608 - from above
                assert bool(rows) == sees, (setting, view)


@pytest.fixture
async def mended(session: Session, town: Town) -> Session:
    """The session, in a town with findings and repairs."""
    await session.execute("reset role")
    await write_repairs(town)
    await session.execute("set role funnelproof_web")
    return session


async def write_repairs(town: Town) -> None:
    """Have a finding of each tenant, mended by a repair of its own, and by a repair of both tenants."""
    mine, theirs = [
        finding(scope, TODAY - DAY, Fault.LOST, f"secret of {scope[0]}", deal=name(scope, "deal"))
        for scope in ((town.acme, town.sales), (town.other, town.theirs))
    ]
    await find(town.dsn, [mine, theirs])
    await mend(town.desk, [mine], "acme alone")
    await mend(town.desk, [theirs], f"{town.other} alone")
    await mend(town.desk, [mine, theirs], f"acme and {town.other}", "different", f"{town.other} differs")


async def test_findings_rows_and_repairs_of_another_tenant_are_not_shown(mended: Session, town: Town) -> None:
    foreign = {str(town.other), str(town.theirs), str(name((town.other, town.theirs), "deal"))}
    views = ("finding", "finding_row", "repair", "repair_action")
    for setting, counts in (
        ("*", (2, 2, 3, 8)),
        (str(town.acme), (1, 1, 2, 4)),
        (f"{town.acme},{town.other}", (2, 2, 3, 8)),
        ("", (0, 0, 0, 0)),
    ):
        await name_tenants(mended, setting)
        rows = [await mended.fetch(f"select * from funnelproof.web_{view}") for view in views]  # noqa: S608 - from above
        assert tuple(map(len, rows)) == counts, setting
        if setting == str(town.acme):
            told = str([list(row.values()) for each in rows for row in each])
            assert not [secret for secret in foreign if secret in told]


async def test_a_leaky_condition_learns_nothing_of_foreign_findings_and_repairs(
    mended: Session, town: Town
) -> None:
    await mended.execute(
        "create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0001"
        " as $$ begin raise warning '%', $1; return true; end $$"
    )
    told: list[str] = []
    mended.add_log_listener(lambda _, message: told.append(str(message.message)))
    for view, column in (
        ("finding", "sentence"), ("finding_row", "row_id"), ("repair", "coalesce(reason, message, '')"),
        ("repair", "coalesce(message, '')"), ("repair_action", "coalesce(deal_id, tenant_id)"),
    ):  # fmt: skip
        await mended.fetch(f"select 1 from funnelproof.web_{view} where pg_temp.leak(({column})::text)")  # noqa: S608 - from above
    assert any(str(town.acme) in each for each in told)
    assert str(town.other) not in str(told)
    assert str(name((town.other, town.theirs), "deal")) not in str(told)


async def test_the_tables_of_findings_and_repairs_are_closed_to_the_role(mended: Session) -> None:
    for table in ("finding", "finding_row", "repair", "repair_action", "proof"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await mended.fetch(f"select 1 from funnelproof.{table}")  # noqa: S608 - from above
    for attempt in (
        "update funnelproof.web_finding set resolved_at = now()",
        "delete from funnelproof.web_repair_action",
        "insert into funnelproof.web_finding (fault) values ('lost')",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await mended.execute(attempt)


async def test_findings_with_the_cursor_or_the_parameters_of_another_tenant_show_the_own_rows(
    site: tuple[httpx.AsyncClient, httpx.AsyncClient], town: Town
) -> None:
    await write_repairs(town)
    mine, theirs = site
    cursor = (await mine.get("/api/v1/repairs", params={"limit": "1"})).json()["next"]
    for path in ("findings", "repairs"):
        for parameters in ({"cursor": cursor}, {"tenant": str(town.acme), "state": "all"}, {"state": "all"}):
            for form in ("json", "csv"):
                answer = await theirs.get(f"/api/v1/{path}", params=parameters | {"format": form})
                assert answer.status_code == 200
                assert str(town.acme) not in answer.text, (path, parameters)
                assert "acme" not in answer.text, (path, parameters)
    for number in range(1, 10):
        for path in ("findings", "repairs"):
            assert str(town.acme) not in (await theirs.get(f"/api/v1/{path}/{number}")).text
    page = await theirs.get("/findings", params={"tenant": str(town.acme), "state": "all"})
    assert str(town.sales) not in page.text


async def test_the_role_can_neither_write_nor_read_tables(session: Session) -> None:
    for attempt in (
        "insert into funnelproof.web_token (name, digest, may) values ('x', '\\x00', '{}')",
        "update funnelproof.web_stage set name = 'x'",
        "delete from funnelproof.web_pipeline",
        "select * from funnelproof.web_token where tenants is not null",
        "create table funnelproof.kept (tenant_id uuid)",
        "copy (select * from funnelproof.window_run) to stdout",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await session.execute(attempt)


async def test_pages_and_streams_with_the_cursor_of_another_tenant_show_the_own_rows(
    site: tuple[httpx.AsyncClient, httpx.AsyncClient], town: Town
) -> None:
    mine, theirs = site
    cursor = (await mine.get("/api/v1/ledger", params=town.where | {"limit": "2"})).json()["next"]
    own = {"tenant": str(town.other), "pipeline": str(town.theirs), "window": "day"}
    for path in ("ledger", "windows", "runs"):
        for form in ("json", "csv"):
            answer = await theirs.get(f"/api/v1/{path}", params=own | {"cursor": cursor, "format": form})
            assert str(town.acme) not in answer.text, (path, form)
            foreign = await theirs.get(
                f"/api/v1/{path}", params=town.where | {"cursor": cursor, "format": form}
            )
            assert (foreign.status_code, str(town.sales) in foreign.text) == (404, False), (path, form)
    listed = await theirs.get("/api/v1/pipelines", params={"format": "csv"})
    assert str(town.acme) not in listed.text
    async with theirs.stream("GET", "/live", params=own) as stream:
        async for line in stream.aiter_lines():
            assert str(town.acme) not in line
            if not line:
                break
    for several in (f"{town.other}&tenant={town.acme}", f"{town.acme}&tenant={town.other}"):
        pipelines = f"pipeline={town.theirs}&pipeline={town.sales}"
        answer = await theirs.get(f"/api/v1/ledger?tenant={several}&{pipelines}&window=day")
        assert (answer.status_code, str(town.sales) in answer.text) == (404, False)
