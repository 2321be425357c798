"""The deals behind a number: for readers who may, as many as counted, or with the reason why not."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from structlog.testing import capture_logs

from streams.resources import sql
from streams.settings import Settings
from streams.web import source
from streams.web.gate import ProxyGate, TokenGate
from streams.web.source import open_source
from streams.web.tokens import add_token
from tests.integration.web.conftest import PLAIN, Town, serving
from tests.integration.web.crm import write_deals, write_rows
from tests.integration.web.desk import DAY, NOW, name

TODAY = NOW.replace(hour=0, minute=0, second=0)
YESTERDAY = TODAY - DAY
PAST = {"at": YESTERDAY.isoformat()}


def pair(town: Town) -> dict[str, str]:
    """The parameters of acme's first pair of stages."""
    stages = {"from_stage": str(name(town.sales, 0)), "to_stage": str(name(town.sales, 1))}
    return town.where | stages


@pytest.fixture
async def shown(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a page that may read the CRM, in which acme's first pair of yesterday has the deals counted."""
    await write_deals(town.desk, town.acme, town.sales, YESTERDAY, 401, 180)
    with serving(Settings(source_dsn=town.dsn, deals_dsn=town.dsn)) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
            yield client


async def ask(client: httpx.AsyncClient, **parameters: str | int) -> Any:  # noqa: ANN401 - JSON
    answer = await client.get("/api/v1/deals", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_deals_are_as_many_as_counted_and_each_is_on_one_page(
    shown: httpx.AsyncClient, town: Town
) -> None:
    for which, counted in (("entered", 401), ("converted", 180), ("not_converted", 221)):
        pages = [await ask(shown, **pair(town), **PAST, which=which, limit=150)]
        while pages[-1]["next"]:
            pages.append(
                await ask(shown, **pair(town), **PAST, which=which, limit=150, cursor=pages[-1]["next"])
            )
        deals = [deal for page in pages for deal in page["items"]]
        first = pages[0]
        assert (first["counted"], first["found"], first["is_equal"], first["reasons"]) == (
            counted,
            counted,
            True,
            [],
        )
        assert len(deals) == len({deal["deal_id"] for deal in deals}) == counted
        assert [deal["entered_at"] for deal in deals] == sorted(deal["entered_at"] for deal in deals)
        assert {deal["seconds"] for deal in deals} <= {3600.0, None}
        assert all(
            (deal["converted_at"] is None) != (which == "converted") for deal in deals if which != "entered"
        )


async def test_deals_that_entered_at_one_instant_are_not_lost_between_pages(
    shown: httpx.AsyncClient, town: Town
) -> None:
    await town.desk.connection.execute("delete from dyno_crm.deal_pipeline_stage_state")
    rows = [(town.acme, uuid4(), town.sales, name(town.sales, 0), YESTERDAY) for _ in range(25)]
    await write_rows(town.desk, rows)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while len(seen) < 25:
        page = await ask(shown, **pair(town), **PAST, limit=4, **cursor)
        seen += [deal["deal_id"] for deal in page["items"]]
        cursor = {"cursor": page["next"]}
    assert page["next"] is None
    assert seen == sorted(str(row[1]) for row in rows)


async def test_only_first_entries_within_the_window_count(shown: httpx.AsyncClient, town: Town) -> None:
    """
    window     [ yesterday                )
    deal one    lead .. qualified .. lead ..
    deal two  q . lead ..................... qualified
    deal three  qualified .. lead
    deal four   lead and qualified at one instant
    """
    connection, hour = town.desk.connection, DAY / 24
    await connection.execute("delete from dyno_crm.deal_pipeline_stage_state")
    lead, qualified = name(town.sales, 0), name(town.sales, 1)
    one, two, three, four = uuid4(), uuid4(), uuid4(), uuid4()
    entries = [
        (one, lead, hour), (one, qualified, 2 * hour), (one, lead, 3 * hour),
        (two, qualified, -hour), (two, lead, hour), (two, qualified, 25 * hour),
        (three, qualified, hour), (three, lead, 2 * hour),
        (four, lead, hour), (four, qualified, hour),
    ]  # fmt: skip
    await write_rows(town.desk, [(town.acme, deal, town.sales, s, YESTERDAY + at) for deal, s, at in entries])
    canonical = await connection.fetch(
        sql("canonical/stage_conversion"), town.acme, town.sales, YESTERDAY, TODAY,
        f'[{{"from_stage_id": "{lead}", "to_stage_id": "{qualified}"}}]',
    )  # fmt: skip
    entered = await ask(shown, **pair(town), **PAST)
    converted = await ask(shown, **pair(town), **PAST, which="converted")
    assert {deal["deal_id"] for deal in entered["items"]} == {str(deal) for deal in (one, two, three, four)}
    assert [deal["deal_id"] for deal in converted["items"]] == [str(one)]
    assert (entered["found"], converted["found"]) == (
        canonical[0]["entered_count"],
        canonical[0]["converted_count"],
    )


async def test_a_later_correction_an_estimate_and_a_former_revision_are_told(
    shown: httpx.AsyncClient, town: Town
) -> None:
    await write_deals(town.desk, town.acme, town.sales, YESTERDAY + DAY / 2, 1, 0)
    corrected = await ask(shown, **pair(town), **PAST)
    assert (corrected["counted"], corrected["found"], corrected["is_equal"]) == (401, 402, False)
    assert "a correction becomes a revision within seconds" in corrected["reasons"][0]
    former = name(town.acme, town.sales, "day", TODAY - 3 * DAY, 1)
    old = await ask(shown, **pair(town), run=str(former))
    assert (old["revision"], old["counted"], old["window"]["revision"]) == (1, 403, 2)
    assert old["reasons"] == ["the number is that of revision 1, and later corrections made revision 2"]
    await town.desk.close(
        town.acme, town.sales, "day", YESTERDAY, TODAY, [(403, 180), (200, 90), (100, 40)],
        revision=2, causes=["unknown"], completeness="estimated", reasons=["the slot was moved"],
    )  # fmt: skip
    estimated = await ask(shown, **pair(town), **PAST)
    assert estimated["reasons"] == ["the result is an estimate: the slot was moved"]
    running = await ask(shown, **pair(town))
    assert running["reasons"] == ["the window is not closed: the CRM has written since the last flush"]


async def test_a_sealed_window_says_that_it_is_deleted(shown: httpx.AsyncClient, town: Town) -> None:
    await town.desk.connection.execute("insert into funnelproof.sealed values ('day', $1)", TODAY)
    answer = await shown.get("/api/v1/deals", params=pair(town) | PAST)
    assert answer.status_code == 404
    assert "windows of the kind day are kept for a time only" in answer.json()["detail"]


async def test_a_deal_leads_to_its_rows_and_first_entries(shown: httpx.AsyncClient, town: Town) -> None:
    deal = name(town.sales, YESTERDAY, "deal", 0)
    again = (town.acme, deal, town.sales, name(town.sales, 0), YESTERDAY + DAY / 2)
    foreign = (town.other, deal, town.theirs, name(town.theirs, 0), YESTERDAY)
    await write_rows(town.desk, [again, foreign])
    told = (await shown.get(f"/api/v1/deals/{deal}", params=town.where | PAST)).json()
    assert [(row["stage"], row["is_first"]) for row in told["rows"]] == [
        ("Lead", True), ("Qualified", True), ("Lead", False),
    ]  # fmt: skip
    page = await shown.get("/deals", params=pair(town) | PAST)
    assert f'href="/deals/{deal}?' in page.text
    assert "as many as counted" in page.text
    one = await shown.get(f"/deals/{deal}", params=town.where | PAST)
    assert "no: a later entry into the same stage" in one.text
    assert f"/deals/{deal}</code>" in one.text
    assert (await shown.get(f"/api/v1/deals/{uuid4()}", params=town.where)).status_code == 404


async def test_the_numbers_of_the_page_lead_to_their_deals(shown: httpx.AsyncClient, town: Town) -> None:
    page = await shown.get("/", params=town.where | PAST)
    links = [part.partition('"')[0].replace("&amp;", "&") for part in page.text.split('href="')]
    deals = [link for link in links if link.startswith("/deals?")]
    assert len(deals) == 6
    assert {(await shown.get(link)).status_code for link in deals} == {200}


async def test_the_table_of_deals_is_csv_too(shown: httpx.AsyncClient, town: Town) -> None:
    answer = await shown.get("/api/v1/deals", params=pair(town) | PAST | {"format": "csv", "limit": "300"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert (len(rows), rows[0]["seconds"]) == (300, "3600.0")
    following = await shown.get(answer.links["next"]["url"])
    assert len(list(csv.DictReader(io.StringIO(following.text)))) == 101


async def test_the_time_to_convert_is_exact_from_the_crm(shown: httpx.AsyncClient, town: Town) -> None:
    await town.desk.connection.execute("delete from dyno_crm.deal_pipeline_stage_state")
    for number, seconds in enumerate((60, 120, 180, 240, 300)):
        await write_deals(town.desk, town.acme, town.sales, YESTERDAY + number * DAY / 24, 2, 1, seconds)
    told = (await ask(shown, **pair(town), **PAST))["time_to_convert"]
    assert told == {"low": 120.0, "median": 180.0, "high": 240.0, "is_exact": True}


WRONG: list[tuple[dict[str, str], int, str | None]] = [
    ({"which": "lost"}, 400, "which"),
    ({"from_stage": "x"}, 400, "from_stage"),
    ({"cursor": "abc"}, 400, "cursor"),
    ({"cursor": "WzFd"}, 400, "cursor"),
    ({"limit": "0"}, 400, "limit"),
    ({"run": "none"}, 400, "run"),
    ({"window": "year"}, 400, "window"),
    ({"pipeline": str(uuid4())}, 404, None),
    ({"tenant": str(uuid4())}, 404, None),
    ({"run": str(uuid4())}, 404, None),
    ({"to_stage": str(uuid4())}, 404, None),
]
"""Wrong questions, each with the status of the answer, and the parameter that is named."""


async def test_wrong_questions_are_answered_like_everywhere(shown: httpx.AsyncClient, town: Town) -> None:
    for wrong, status, field in WRONG:
        answer = await shown.get("/api/v1/deals", params=pair(town) | PAST | wrong)
        told = answer.status_code, answer.headers["content-type"]
        assert told == (status, "application/problem+json"), wrong
        assert [error["field"] for error in answer.json()["errors"]] == ([field] if field else []), wrong


async def test_a_run_of_another_pipeline_is_no_run_of_this_one(shown: httpx.AsyncClient, town: Town) -> None:
    foreign = name(town.other, town.theirs, "day", YESTERDAY, 1)
    answer = await shown.get("/api/v1/deals", params=pair(town) | {"run": str(foreign)})
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such run")


async def test_without_a_login_the_page_says_how_to_get_one(client: httpx.AsyncClient, town: Town) -> None:
    page = await client.get("/deals", params=pair(town) | PAST)
    assert page.status_code == 200
    assert "FUNNELPROOF_DEALS_DSN=" in page.text
    assert "<b>401</b>" in page.text
    answer = await client.get("/api/v1/deals", params=pair(town) | PAST)
    assert (answer.status_code, "FUNNELPROOF_DEALS_DSN" in answer.json()["detail"]) == (404, True)


async def test_a_crm_that_is_away_leaves_the_number_and_the_reason(town: Town) -> None:
    settings = Settings(source_dsn=town.dsn, deals_dsn="postgresql://postgres:geheim@127.0.0.1:1/crm")
    with serving(settings) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
            answer = await client.get("/api/v1/deals", params=pair(town) | PAST)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "the CRM's database at 127.0.0.1:1/crm (FUNNELPROOF_DEALS_DSN)" in answer.json()["detail"]
            page = await client.get("/deals", params=pair(town) | PAST)
            assert (page.status_code, "The number is 401." in page.text) == (503, True)
            assert "geheim" not in page.text + answer.text


async def test_a_slow_statement_is_ended_and_named_with_the_index_that_helps(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "STATEMENT_SECONDS", 1)
    settings = Settings(source_dsn=town.dsn, deals_dsn=town.dsn)
    with serving(settings) as address:
        async with (
            httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client,
            town.desk.connection.transaction(),
        ):
            await town.desk.connection.execute(
                "lock table dyno_crm.deal_pipeline_stage_state in access exclusive mode"
            )
            answer = await client.get("/api/v1/deals", params=pair(town) | PAST)
    assert answer.status_code == 503
    assert "stage_conversion_deals took more than" in answer.json()["detail"]
    assert "create index concurrently on dyno_crm" in answer.json()["detail"]


async def test_tenants_come_before_everything_and_permission_before_the_crm(town: Town) -> None:
    await write_deals(town.desk, town.acme, town.sales, YESTERDAY, 401, 180)
    may = await add_token(town.desk.connection, "may", [town.acme], ["deals"], None)
    may_not = await add_token(town.desk.connection, "may not", [town.acme], ["operations"], None)
    settings = Settings(source_dsn=town.dsn, deals_dsn=town.dsn)
    foreign = {
        "from_stage": str(name(town.theirs, 0)),
        "to_stage": str(name(town.theirs, 1)),
        "window": "day",
    }
    theirs = foreign | {"tenant": str(town.other), "pipeline": str(town.theirs)}
    deal = name(town.sales, YESTERDAY, "deal", 0)
    with serving(settings, gate=TokenGate()) as address, capture_logs() as lines:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:

            async def get(path: str, token: str, parameters: dict[str, str]) -> httpx.Response:
                return await client.get(path, params=parameters, headers={"Authorization": f"Bearer {token}"})

            for path in ("/api/v1/deals", "/deals", f"/api/v1/deals/{deal}", f"/deals/{deal}"):
                assert (await client.get(path, params=pair(town) | PAST)).status_code == 401
                assert (await get(path, may, pair(town) | PAST)).status_code == 200
                refused = await get(path, may_not, pair(town) | PAST)
                assert (refused.status_code, "the permission for deals" in refused.text) == (404, True)
                unknown = await get(path, may, theirs)
                absent = await get(path, may, theirs | {"tenant": str(uuid4()), "pipeline": str(uuid4())})
                assert (unknown.status_code, unknown.text) == (404, absent.text)
                assert "no such pipeline" in (await get(path, may_not, theirs)).text
            links = (await get("/", may, town.where | PAST)).text.count("/deals?")
            assert (links, (await get("/", may_not, town.where | PAST)).text.count("/deals?")) == (6, 0)
    looks = [(line["event"], line["reader"]) for line in lines if line["event"].startswith("deal")]
    assert looks == [
        ("deals shown", "may"), ("deals refused", "may not"), ("deals shown", "may"), ("deals refused", "may not"),
        ("deal shown", "may"), ("deals refused", "may not"), ("deal shown", "may"), ("deals refused", "may not"),
    ]  # fmt: skip
    audit = next(line for line in lines if line["event"] == "deals shown")
    assert (audit["tenant"], audit["pipeline"], audit["deals"]) == (str(town.acme), str(town.sales), 100)
    assert (audit["peer"], audit["which"], audit["start"]) == ("127.0.0.1", "entered", YESTERDAY.isoformat())


async def test_a_proxy_gives_the_permission_by_a_header(town: Town) -> None:
    settings = Settings(source_dsn=town.dsn, deals_dsn=town.dsn)
    with serving(settings, gate=ProxyGate(["127.0.0.1"], "a secret of the proxy")) as address:
        for tenants in ("*", str(town.acme)):
            headers = {"X-Funnelproof-Secret": "a secret of the proxy", "X-Funnelproof-Tenants": tenants}
            async with httpx.AsyncClient(
                verify=PLAIN, base_url=address, timeout=20, headers=headers
            ) as client:
                refused = await client.get("/api/v1/deals", params=pair(town) | PAST)
                assert refused.status_code == 404
                given = await client.get(
                    "/api/v1/deals", params=pair(town) | PAST, headers={"X-Funnelproof-May": "deals"}
                )
                assert given.status_code == 200


@pytest.fixture
async def login(town: Town) -> AsyncIterator[str]:
    """A user of the CRM's database with the role for deals alone."""
    connection = town.desk.connection
    await connection.execute(sql("roles"))
    user = f"deals_{uuid4().hex[:12]}"
    await connection.execute(f"create role {user} login password 'secret' in role funnelproof_deals")
    yield user
    await connection.execute(f"drop role {user}")


async def test_the_role_for_deals_reads_six_columns_and_writes_nothing(town: Town, login: str) -> None:
    connection = town.desk.connection
    await write_deals(town.desk, town.acme, town.sales, YESTERDAY, 401, 180)
    dsn = httpx.URL(town.dsn).copy_with(username=login, password="secret")  # noqa: S106 - of this test
    with serving(Settings(source_dsn=town.dsn, deals_dsn=str(dsn))) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
            assert (await ask(client, **pair(town), **PAST))["is_equal"] is True
            deal = name(town.sales, YESTERDAY, "deal", 0)
            assert (await client.get(f"/api/v1/deals/{deal}", params=town.where)).status_code == 200
    await connection.execute("set role funnelproof_deals")
    for statement in (
        "select exited_at from dyno_crm.deal_pipeline_stage_state",
        "select * from dyno_crm.pipeline_stage",
        "update dyno_crm.deal_pipeline_stage_state set entered_at = now()",
        "delete from dyno_crm.deal_pipeline_stage_state",
        "select * from funnelproof.web_token",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.execute("reset role")


async def test_a_login_without_the_role_is_told_what_to_grant(town: Town, login: str) -> None:
    await town.desk.connection.execute(f"revoke funnelproof_deals from {login}")
    dsn = httpx.URL(town.dsn).copy_with(username=login, password="secret")  # noqa: S106 - of this test
    with serving(Settings(source_dsn=town.dsn, deals_dsn=str(dsn))) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
            answer = await client.get("/api/v1/deals", params=pair(town) | PAST)
            assert answer.status_code == 503
            assert "`grant funnelproof_deals to` the user of the setting" in answer.json()["detail"]


async def test_a_powerful_login_is_lowered_to_the_role_and_cannot_write(town: Town, login: str) -> None:
    del login  # the role is there
    async with open_source(Settings(source_dsn=town.dsn, deals_dsn=town.dsn)) as crm:
        assert crm is not None
        async with crm.reading() as read:
            held = await read.queries._connection.fetchrow(
                "select current_user, current_setting('transaction_read_only'), current_setting('statement_timeout')"
            )
    assert held is not None
    assert tuple(held) == ("funnelproof_deals", "on", "5s")
