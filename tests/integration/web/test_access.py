"""Who may see what: tokens, proxies, names of the page, and tenants that are kept apart in Postgres."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from streams.errors import PreconditionError, SettingsError
from streams.resources import sql
from streams.settings import Settings
from streams.web.gate import OpenGate, ProxyGate, TokenGate
from streams.web.opening import gate_for
from streams.web.tokens import add_token, revoke_token
from tests.integration.web.conftest import PLAIN, Town, serving
from tests.integration.web.desk import DAY, NOW, name

SECRET = "a secret of the proxy"  # noqa: S105 - of a test
TODAY = NOW.replace(hour=0, minute=0, second=0)


async def token_for(town: Town, reader: str, tenants: Sequence[UUID] | None, may: Sequence[str] = ()) -> str:
    return await add_token(town.desk.connection, reader, tenants, may, None)


@pytest.fixture
async def guarded(town: Town) -> AsyncIterator[str]:
    """The address of a site that asks for tokens."""
    with serving(Settings(source_dsn=town.dsn), gate=TokenGate()) as address:
        yield address


@pytest.fixture
async def acme(guarded: str, town: Town) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a token for the tenant acme."""
    token = await token_for(town, "acme", [town.acme])
    async with httpx.AsyncClient(
        verify=PLAIN, base_url=guarded, timeout=20, headers={"Authorization": f"Bearer {token}"}
    ) as client:
        yield client


@pytest.fixture
async def session(town: Town) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session that has the rights of the page's role alone."""
    connection = town.desk.connection
    await connection.execute(sql("roles"))
    await connection.execute(sql("queries/store/grants"))
    await connection.execute("set role funnelproof_web")
    yield connection
    await connection.execute("reset role")


async def test_without_a_token_a_program_gets_a_problem_and_a_person_a_form(guarded: str, town: Town) -> None:
    async with httpx.AsyncClient(verify=PLAIN, base_url=guarded) as client:
        for path in ("/api/v1/pipelines", "/api/v1/health"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        page = await client.get("/", params=town.where)
        assert page.status_code == 401
        assert "<h1>Sign in</h1>" in page.text
        assert str(town.sales).encode() in page.content  # where the sign-in leads to
        assert (await client.get("/live", params=town.where)).status_code == 401
        assert (await client.get("/operations")).status_code == 401


async def test_a_token_is_exchanged_for_a_cookie_that_scripts_cannot_read(guarded: str, town: Town) -> None:
    token = await token_for(town, "sales-ops", [town.acme])
    async with httpx.AsyncClient(verify=PLAIN, base_url=guarded) as client:
        answer = await client.post("/sign-in", data={"token": token, "next": "/?q=x"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/?q=x")
        assert {"HttpOnly", "SameSite=lax"} <= {
            part.strip() for part in answer.headers["set-cookie"].split(";")
        }
        assert (await client.get("/", params=town.where)).status_code == 200
        away = await client.post("/sign-in", data={"token": token, "next": "//evil.example/"})
        assert away.headers["location"] == "/"
        foreign = await client.post(
            "/sign-in", data={"token": token}, headers={"Origin": "http://evil.example"}
        )
        assert foreign.status_code == 400
        wrong = await client.post("/sign-in", data={"token": token[:-1]})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
        await client.post("/sign-out")
        assert (await client.get("/", params=town.where)).status_code == 401


async def test_a_revoked_or_expired_token_opens_nothing(guarded: str, town: Town) -> None:
    connection = town.desk.connection
    revoked = await token_for(town, "gone", None)
    expired = await add_token(connection, "old", None, [], timedelta(0))
    async with httpx.AsyncClient(verify=PLAIN, base_url=guarded) as client:
        path, headers = "/api/v1/health", {"Authorization": f"Bearer {revoked}"}
        assert (await client.get(path, headers=headers)).status_code == 200
        await revoke_token(connection, "gone")
        assert (await client.get(path, headers=headers)).status_code == 401
        assert (await client.get(path, headers={"Authorization": f"Bearer {expired}"})).status_code == 401
    with pytest.raises(PreconditionError, match="no token gone"):
        await revoke_token(connection, "gone")
    kept = await connection.fetch("select digest from funnelproof.web_token")
    assert not any(revoked.encode() in row["digest"] for row in kept)


async def test_another_tenants_things_look_like_things_that_do_not_exist(
    acme: httpx.AsyncClient, town: Town
) -> None:
    foreign_run = name(town.other, town.theirs, "day", TODAY - DAY, 1)
    stages = f"from_stage={name(town.theirs, 0)}&to_stage={name(town.theirs, 1)}"
    for where in (
        f"tenant={town.other}&pipeline={town.theirs}",
        f"tenant={town.acme}&pipeline={town.theirs}",
        f"tenant={town.other}&pipeline={town.sales}",
    ):
        for path in (
            f"/api/v1/funnel?{where}", f"/api/v1/ledger?{where}&format=csv", f"/api/v1/runs?{where}",
            f"/api/v1/windows?{where}", f"/api/v1/trend?{where}&{stages}", f"/?{where}", f"/live?{where}&window=day",
        ):  # fmt: skip
            answer = await acme.get(path)
            assert (answer.status_code, "there is no such pipeline" in answer.text.lower()) == (404, True), (
                path
            )
    absent = await acme.get(f"/api/v1/runs/{name('nothing')}")
    assert (await acme.get(f"/api/v1/runs/{foreign_run}")).json() == absent.json()
    assert (await acme.get(f"/windows/{foreign_run}")).status_code == 404
    assert (await acme.get("/operations")).status_code == 404


async def test_lists_and_sums_have_the_own_tenants_rows_only(acme: httpx.AsyncClient, town: Town) -> None:
    await town.desk.reconciled("different", {"differences": 3})
    listed = (await acme.get("/api/v1/pipelines")).json()["items"]
    assert [item["tenant_id"] for item in listed] == [str(town.acme)]
    assert (await acme.get("/api/v1/pipelines", params={"q": str(town.theirs)[:8]})).json()["items"] == []
    await town.desk.judge("day")
    for tenant, pipeline in ((town.acme, town.sales), (town.other, town.theirs)):
        await town.desk.fire(tenant, pipeline, "day", TODAY, TODAY + DAY)
    for path in ("alerts", "alerts/events"):
        told = (await acme.get(f"/api/v1/{path}")).json()["items"]
        assert [item["tenant_id"] for item in told] == [str(town.acme)], path
    compared = (await acme.get("/api/v1/reconciliations")).json()["items"][0]
    assert (compared["outcome"], compared["runs"], compared["differences"]) == ("different", None, None)


async def test_an_etag_of_one_tenant_is_not_valid_for_another(
    guarded: str, acme: httpx.AsyncClient, town: Town
) -> None:
    mine = await acme.get("/api/v1/pipelines")
    assert {"Authorization", "Cookie"} <= {each.strip() for each in mine.headers["vary"].split(",")}
    assert mine.headers["cache-control"] == "private, no-cache"
    token = await token_for(town, "other", [town.other])
    async with httpx.AsyncClient(
        verify=PLAIN, base_url=guarded, headers={"Authorization": f"Bearer {token}"}
    ) as other:
        theirs = await other.get("/api/v1/pipelines", headers={"If-None-Match": mine.headers["etag"]})
    assert theirs.status_code == 200
    assert str(town.acme) not in theirs.text


async def test_a_connection_of_the_pool_forgets_the_tenants_before(
    guarded: str, acme: httpx.AsyncClient, town: Town
) -> None:
    token = await token_for(town, "other", [town.other])
    async with httpx.AsyncClient(
        verify=PLAIN, base_url=guarded, headers={"Authorization": f"Bearer {token}"}
    ) as other:

        async def tenants(client: httpx.AsyncClient) -> set[str]:
            return {item["tenant_id"] for item in (await client.get("/api/v1/pipelines")).json()["items"]}

        for _ in range(5):  # more requests at once than the pool has connections, malformed ones between them
            seen = await asyncio.gather(
                *(tenants(acme if number % 2 else other) for number in range(16)),
                acme.get("/api/v1/funnel", params={**town.where, "at": "1999-01-01T00:00:00Z"}),
            )
            assert seen[:16] == [{str(town.acme if number % 2 else town.other)} for number in range(16)]


async def test_the_pages_role_reads_nothing_but_the_named_tenants(
    session: "asyncpg.Connection[asyncpg.Record]", town: Town
) -> None:
    views = [
        row["name"]
        for row in await session.fetch(
            "select oid::regclass::text as name from pg_class where relname like 'web\\_%' and relkind = 'v'"
            " and relnamespace = 'funnelproof'::regnamespace"
        )
    ]
    by_tenant = []
    for view in views:
        columns = await session.fetch(
            "select attname from pg_attribute where attrelid = $1::regclass and attname = 'tenant_id'", view
        )
        if columns:
            by_tenant.append(view)
    assert len(by_tenant) == 14
    for setting, seen in (("", set()), (str(town.acme), {town.acme}), ("*", {town.acme, town.other})):
        await session.execute("select set_config('funnelproof.tenants', $1, false)", setting)
        found = {
            view: {row["tenant_id"] for row in await session.fetch(f"select tenant_id from {view}")}  # noqa: S608 - from above
            for view in by_tenant
        }
        assert all(tenants - {None} <= seen for tenants in found.values()), (setting, found)
        assert found["funnelproof.web_run"] == found["funnelproof.web_pipeline"] == seen
        runs = "select count(*) from funnelproof.web_latest_runs($1, $2, 'day', 'infinity', 9)"
        assert await session.fetchval(runs, town.other, town.theirs) == (town.other in seen)
        revisions = "select count(*) from funnelproof.web_runs($1, $2, 'day', 'infinity', 9, 9)"
        assert await session.fetchval(revisions, town.other, town.theirs) == (town.other in seen)


async def test_the_pages_role_has_no_table_and_no_other_view(
    session: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rows = await session.fetch(
        "select oid::regclass::text as name from pg_class where relkind in ('r', 'v', 'p', 'm')"
        " and relnamespace in ('funnelproof'::regnamespace, 'dyno_crm'::regnamespace)"
        " and has_any_column_privilege('funnelproof_web', oid, 'select, insert, update')"
    )
    assert all(row["name"].startswith("funnelproof.web_") for row in rows)
    for table in (
        "dyno_crm.report_run",
        "funnelproof.partial",
        "funnelproof.web_token",
        "funnelproof.stage_pair",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.fetch(f"select * from {table}")  # noqa: S608 - names of this test


async def test_a_cheap_leaky_function_is_shown_the_own_rows_only(
    session: "asyncpg.Connection[asyncpg.Record]", town: Town
) -> None:
    await session.execute("select set_config('funnelproof.tenants', $1, false)", str(town.acme))
    await session.execute(
        "create function pg_temp.leak(uuid) returns boolean language plpgsql cost 0.0000001 as"
        " $$ begin raise notice '%', $1; return true; end $$"
    )
    told: list[str] = []
    session.add_log_listener(lambda _, message: told.append(str(message)))
    for view in ("web_run", "web_fact", "web_partial", "web_stage", "web_pair", "web_pipeline"):
        await session.fetch(f"select * from funnelproof.{view} where pg_temp.leak(tenant_id)")  # noqa: S608 - names from above
    await asyncio.sleep(0.1)
    assert told
    assert str(town.other) not in "".join(told)


async def test_the_page_works_with_the_rights_of_its_role(town: Town) -> None:
    connection = town.desk.connection
    await connection.execute(sql("roles"))
    await connection.execute(sql("queries/store/grants"))
    login = f"page_{name(town.dsn).hex[:12]}"
    await connection.execute(f"create role {login} login password 'secret' in role funnelproof_web")
    try:
        dsn = httpx.URL(town.dsn).copy_with(username=login, password="secret")  # noqa: S106 - of a test
        settings = Settings(source_dsn="postgresql://127.0.0.1:1/none", dashboard_dsn=str(dsn))
        token = await token_for(town, "operator", None, ["operations"])
        headers = {"Authorization": f"Bearer {token}"}
        with serving(settings, gate=TokenGate()) as address:
            async with httpx.AsyncClient(
                verify=PLAIN, base_url=address, headers=headers, timeout=20
            ) as client:
                for path in ("/", "/operations", "/api/v1/health", "/api/v1/reconciliations"):
                    assert (await client.get(path)).status_code == 200, path
                for path in ("/", "/api/v1/funnel", "/api/v1/ledger", "/api/v1/windows", "/api/v1/runs"):
                    answer = await client.get(path, params=town.where)
                    assert answer.status_code == 200, answer.text
    finally:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", login
        )
        await connection.execute(f"drop role {login}")


async def test_a_page_that_is_open_to_the_machine_refuses_foreign_names(
    client: httpx.AsyncClient, town: Town
) -> None:
    for path in ("/", "/api/v1/pipelines", "/live"):
        answer = await client.get(path, params=town.where, headers={"Host": "rebound.example"})
        assert (answer.status_code, str(town.sales) in answer.text) == (403, False)
    with serving(Settings(source_dsn=town.dsn), gate=OpenGate(["page.example"])) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address) as named:
            assert (await named.get("/", headers={"Host": "Page.Example:8800"})).status_code == 200


async def test_a_proxy_is_known_by_address_and_secret(town: Town) -> None:
    sent = {"X-Funnelproof-Tenants": str(town.acme), "X-Funnelproof-Secret": SECRET}
    with serving(Settings(source_dsn=town.dsn), gate=ProxyGate(["127.0.0.1"], SECRET)) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=f"{address}/api/v1") as client:
            listed = (await client.get("/pipelines", headers=sent)).json()["items"]
            assert [item["tenant_id"] for item in listed] == [str(town.acme)]
            everything = await client.get("/pipelines", headers=sent | {"X-Funnelproof-Tenants": "*"})
            assert len(everything.json()["items"]) == 2
            nobody = await client.get("/pipelines", headers=sent | {"X-Funnelproof-Tenants": ""})
            assert nobody.json()["items"] == []
            for wrong in ({"X-Funnelproof-Secret": "guessed"}, {"X-Funnelproof-Tenants": "'; --"}):
                assert (await client.get("/pipelines", headers=sent | wrong)).status_code == 401
            assert (await client.get("/pipelines")).status_code == 401
    with serving(Settings(source_dsn=town.dsn), gate=ProxyGate(["10.0.0.1"], SECRET)) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=f"{address}/api/v1") as client:
            spoofed = sent | {"X-Forwarded-For": "10.0.0.1"}
            assert (await client.get("/pipelines", headers=spoofed)).status_code == 401


async def test_a_page_for_other_machines_starts_closed_or_not_at_all(town: Town) -> None:
    settings = Settings(source_dsn=town.dsn)
    assert isinstance(await gate_for(settings, "127.0.0.1"), OpenGate)
    assert isinstance(await gate_for(settings, "::1"), OpenGate)
    expired = timedelta(0)
    await add_token(town.desk.connection, "old", None, [], expired)
    for host in ("0.0.0.0", "::", "192.0.2.7", "page.example"):  # noqa: S104 - not bound
        with pytest.raises(PreconditionError, match="nobody has a token"):
            await gate_for(settings, host)
    await token_for(town, "somebody", None)
    assert isinstance(await gate_for(settings, "0.0.0.0"), TokenGate)  # noqa: S104 - not bound
    half = Settings(source_dsn=town.dsn, dashboard_proxy_peers=("127.0.0.1",))
    with pytest.raises(SettingsError, match="PROXY_SECRET"):
        await gate_for(half, "127.0.0.1")
