"""Findings and repairs: on the page of a run, for engineers, in the API; the deals behind need the permission."""

import csv
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from streams.explaining import Fault, Finding
from streams.settings import Settings
from streams.web.gate import TokenGate
from streams.web.tokens import add_token
from streams.web.words import FAULTS, OUTCOMES
from tests.integration.web.conftest import PLAIN, Town, serving
from tests.integration.web.desk import DAY, NOW, name
from tests.integration.web.found import find, finding, mend, resolve
from tests.integration.web.installation import living
from tests.integration.web.test_page import Cells

TODAY = NOW.replace(hour=0, minute=0, second=0)
DEALS = [UUID(int=number) for number in (1, 2, 3)]
LOST = "row 5: the CRM has Lead at 2026-06-09T08:00:00+00:00; the log has no record of the row"


def yesterday_of(town: Town) -> list[Finding]:
    """Two deals lost in capture, a fact that somebody has edited; yesterday."""
    scope, start = (town.acme, town.sales), TODAY - DAY
    lost = [
        finding(
            scope, start, Fault.LOST, LOST, deal=deal, counts=[(403, 181), (401, 180), (401, 180), (401, 180)]
        )
        for deal in DEALS[:2]
    ]
    edited = finding(scope, start, Fault.FACT_EDITED, "the result was published with 200 entered", place=1,
                     counts=[(200, 90), (200, 90), (200, 90), (250, 90)])  # fmt: skip
    return [*lost, edited]


def run_of(town: Town) -> UUID:
    return name(town.acme, town.sales, "day", TODAY - DAY, 1)


async def test_the_page_of_a_run_says_which_pairs_differ_why_and_by_which_deals(
    client: httpx.AsyncClient, town: Town
) -> None:
    await find(town.dsn, yesterday_of(town))
    page = (await client.get(f"/windows/{run_of(town)}")).text
    assert (
        "2 pairs of stages are known to be wrong in this window; 2 deals are behind the difference." in page
    )
    cells = Cells(page)
    assert cells.of("What went wrong") == [
        "Lost in capture: the log has no record of a row of the CRM",
        "Fact edited: the result is not the result that was published",
    ]
    assert cells.of("Deals") == ["2", "\N{EN DASH}"]
    assert cells.of("The CRM") == ["403 / 181", "200 / 90"]
    assert cells.of("The log") == ["401 / 180", "200 / 90"]
    assert cells.of("Result") == ["401 / 180", "250 / 90"]
    assert cells.of("What was found") == [
        f"Lost in capture: {LOST}", f"Lost in capture: {LOST}",
        "Fact edited: the result was published with 200 entered",
    ]  # fmt: skip
    for deal in DEALS[:2]:
        assert f'href="/deals/{deal}?tenant={town.acme}&amp;pipeline={town.sales}&amp;window=day' in page
    command = " ".join(page.replace("\\\n", "").split())
    assert f"funnelproof reconcile --repair --tenant {town.acme} --pipeline {town.sales}" in command


async def test_a_run_without_findings_says_nothing_of_findings(client: httpx.AsyncClient, town: Town) -> None:
    await find(town.dsn, yesterday_of(town))
    other = name(town.acme, town.sales, "day", TODAY - 2 * DAY, 1)
    page = (await client.get(f"/windows/{other}")).text
    assert "differs" not in page.lower()
    assert "/findings" not in page


async def test_the_funnel_of_a_window_that_is_known_to_be_wrong_says_so(
    client: httpx.AsyncClient, town: Town
) -> None:
    at = town.where | {"at": (TODAY - DAY).isoformat()}
    assert "Known to be wrong" not in (await client.get("/", params=at)).text
    await find(town.dsn, yesterday_of(town))
    page = (await client.get("/", params=at)).text
    assert "Known to be wrong:</strong> 2 pairs of stages differ from the canonical SQL" in page
    assert f'href="/windows/{run_of(town)}#differences"' in page
    assert Cells(page).of("Result")[:2] == ["provendiffers", "proven"]
    other = town.where | {"at": (TODAY - 2 * DAY).isoformat()}
    assert "Known to be wrong" not in (await client.get("/", params=other)).text


async def test_a_repair_is_told_with_author_reason_and_outcome_where_the_findings_are_resolved(
    client: httpx.AsyncClient, town: Town
) -> None:
    found = yesterday_of(town)
    await find(town.dsn, found)
    await mend(town.desk, found, "the board meets", None)
    cells = Cells((await client.get(f"/windows/{run_of(town)}")).text)
    assert cells.of("Outcome") == ["at work"]
    assert cells.of("What was done") == [
        "Fact edited, lost in capture: 2 deals restated in the log, 1 window published anew; 3 of 3 not done"
    ]
    await mend(town.desk, found, "the board meets")
    await resolve(town.desk)
    page = (await client.get(f"/windows/{run_of(town)}")).text
    assert "Differs from the canonical SQL" not in page
    cells = Cells(page)
    assert cells.of("Outcome") == [
        "equal to the SQL afterwards", "failed: the repair ended before its end",
    ]  # fmt: skip
    assert cells.of("Why") == ["the board meets"] * 2
    assert all("@" in author for author in cells.of("By"))
    assert cells.of("What was wrong")[0].startswith("Lost in capture")
    assert "\N{EN DASH}" not in cells.of("Equal since")


async def test_operations_tells_open_findings_with_the_oldest_and_the_last_repairs(
    client: httpx.AsyncClient, town: Town
) -> None:
    assert "No open finding." in (await client.get("/operations")).text
    found = yesterday_of(town)
    await find(town.dsn, found)
    older = finding((town.other, town.theirs), TODAY - DAY, Fault.GHOST, "a ghost", deal=DEALS[2])
    await find(town.dsn, [older])
    await town.desk.connection.execute(
        "update funnelproof.finding set found_at = clock_timestamp() - interval '2 hours' where fault = 'ghost'"
    )
    await mend(town.desk, found, "the board meets", "different", "1 window has changed since")
    async with living(town.dsn, "worker", "one"):
        told = (await client.get("/api/v1/operations")).json()
        page = (await client.get("/operations")).text
    assert (told["findings"]["open"], told["findings"]["windows"]) == (4, 2)
    assert told["findings"]["age"] == pytest.approx(7200, abs=10)
    assert [each["tenant_id"] for each in told["findings"]["first"]] == [str(town.other), str(town.acme)]
    assert told["repairs"][0]["outcome"] == "different"
    assert "4 open findings</strong> in 2 windows, the oldest for 2 h" in page
    assert f'href="/windows/{run_of(town)}#differences"' in page
    assert Cells(page).of("What went wrong") == ["ghost", "fact edited, lost in capture"]
    assert Cells(page).of("Outcome")[-1] == "still different afterwards: 1 window has changed since"


async def test_the_api_gives_findings_and_repairs_page_by_page_with_tags_and_as_csv(
    client: httpx.AsyncClient, town: Town
) -> None:
    found = yesterday_of(town)
    await find(town.dsn, found)
    repairs = [await mend(town.desk, found, f"reason {number}") for number in range(3)]
    for path, key, count in (("findings", "finding_id", 3), ("repairs", "repair_id", 3)):
        seen, cursor = [], None
        while True:
            wanted = {"limit": 1} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(f"/api/v1/{path}", params=wanted)).json()
            seen += [each[key] for each in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == sorted(seen, reverse=True)
        assert len(seen) == count
        one = await client.get(f"/api/v1/{path}/{seen[0]}")
        assert one.json()[key] == seen[0]
        again = await client.get(f"/api/v1/{path}/{seen[0]}", headers={"If-None-Match": one.headers["ETag"]})
        assert again.status_code == 304
        table = await client.get(f"/api/v1/{path}", params={"format": "csv", "limit": 2})
        assert [row[key] for row in csv.DictReader(table.text.splitlines())] == list(map(str, seen[:2]))
        assert 'rel="next"' in table.headers["Link"]
        for wrong in ({"cursor": "x"}, {"limit": 0}):
            problem = await client.get(f"/api/v1/{path}", params=wrong)
            assert problem.status_code == 400
            assert problem.headers["Content-Type"] == "application/problem+json"
        assert (await client.get(f"/api/v1/{path}/999999")).status_code == 404
    actions = (await client.get(f"/api/v1/repairs/{repairs[0]}")).json()["actions"]
    assert [(each["kind"], each["deal_id"]) for each in actions] == [
        ("restate", str(DEALS[0])), ("restate", str(DEALS[1])), ("publish", None),
    ]  # fmt: skip
    (row,) = (await client.get(f"/api/v1/findings/{seen_of(await client.get('/api/v1/findings'))}")).json()[
        "rows"
    ]
    assert (row["lsn"], row["in_source"], row["is_logged"]) == ("0/16B3748", True, True)


def seen_of(answer: httpx.Response) -> int:
    number: int = min(each["finding_id"] for each in answer.json()["items"])
    return number


async def test_findings_are_asked_for_by_state_and_window(client: httpx.AsyncClient, town: Town) -> None:
    await find(town.dsn, yesterday_of(town))
    await resolve(town.desk)
    await find(town.dsn, [finding((town.acme, town.sales), TODAY - 2 * DAY, Fault.STALE, "stale")])

    async def faults(**parameters: str) -> list[str]:
        answer = await client.get("/api/v1/findings", params=parameters)
        return [each["fault"] for each in answer.json()["items"]]

    assert await faults() == ["stale"]
    assert await faults(state="resolved") == ["fact_edited", "lost", "lost"]
    assert await faults(state="all", start=(TODAY - 2 * DAY).isoformat()) == ["stale"]
    assert await faults(state="all", window="hour") == []
    assert await faults(state="all", pipeline=str(town.theirs)) == []
    page = (await client.get("/findings")).text
    assert Cells(page).of("What went wrong") == ["Stale version: the log has an older version of a row"]
    assert "Equal since" not in page
    assert len(Cells((await client.get("/findings?state=resolved")).text).of("Equal since")) == 3


@pytest.fixture
async def readers(town: Town) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Readers of acme: with the permission for deals, and without; and a reader of the other tenant."""
    wanted = {
        "may": ([town.acme], ["deals"]),
        "may not": ([town.acme], []),
        "other": ([town.other], ["deals"]),
    }
    with serving(Settings(source_dsn=town.dsn), gate=TokenGate()) as address:
        clients = {}
        for reader, (tenants, may) in wanted.items():
            token = await add_token(town.desk.connection, reader, tenants, may, None)
            clients[reader] = httpx.AsyncClient(
                verify=PLAIN, base_url=address, timeout=20, headers={"Authorization": f"Bearer {token}"}
            )
        yield clients
        for each in clients.values():
            await each.aclose()


async def test_the_deals_of_a_finding_are_for_readers_with_the_permission(
    readers: dict[str, httpx.AsyncClient], town: Town
) -> None:
    found = yesterday_of(town)
    await find(town.dsn, found)
    repair = await mend(town.desk, found)
    numbers = [each["finding_id"] for each in (await readers["may"].get("/api/v1/findings")).json()["items"]]
    paths = [
        f"/windows/{run_of(town)}", "/findings", "/api/v1/findings", "/api/v1/findings?format=csv",
        f"/api/v1/findings/{numbers[-1]}", f"/api/v1/repairs/{repair}", f"/api/v1/repairs/{repair}?format=csv",
    ]  # fmt: skip
    with capture_logs() as lines:
        shown = [(await readers["may"].get(path)).text for path in paths]
        hidden = [(await readers["may not"].get(path)).text for path in paths]
    for path, shown_there, hidden_there in zip(paths, shown, hidden, strict=True):
        assert str(DEALS[0]) in shown_there, path
        for secret in (str(DEALS[0]), "has no record of the row", str(name(DEALS[0], "row"))):
            assert secret not in hidden_there, path
    looks = [line for line in lines if line["event"] == "deals shown"]
    assert [(line["reader"], line["peer"], line["deals"]) for line in looks] == [
        ("may", "127.0.0.1", 1 if "findings/" in path else 2) for path in paths
    ]
    assert all(str(town.acme) in str(line) for line in looks)
    page = (await readers["may not"].get(f"/windows/{run_of(town)}")).text
    assert "2 deals are behind the difference" in page
    assert "The deals are shown to readers with the permission for deals." in page
    assert "reconcile --repair" not in page


async def test_another_tenants_findings_and_repairs_are_not_there(
    readers: dict[str, httpx.AsyncClient], town: Town
) -> None:
    ours, theirs = (
        yesterday_of(town),
        finding((town.other, town.theirs), TODAY - DAY, Fault.GHOST, "theirs", deal=DEALS[2]),
    )
    await find(town.dsn, [*ours, theirs])
    own, common = (
        await mend(town.desk, ours, "acme only"),
        await mend(town.desk, [*ours, theirs], "acme and other"),
    )
    first = (await readers["may"].get("/api/v1/findings")).json()["items"][0]["finding_id"]
    stranger = readers["other"]
    assert [each["fault"] for each in (await stranger.get("/api/v1/findings")).json()["items"]] == ["ghost"]
    for path in (f"findings/{first}", f"repairs/{own}"):
        answer = await stranger.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    (repair,) = (await stranger.get("/api/v1/repairs")).json()["items"]
    assert (repair["repair_id"], repair["deals"], repair["windows"]) == (common, 1, 1)
    assert (repair["reason"], repair["faults"]) == (None, ["ghost"])
    seen = (await readers["may"].get("/api/v1/repairs")).json()["items"]
    assert [(each["repair_id"], each["reason"]) for each in seen] == [(common, None), (own, "acme only")]
    page = (await readers["may"].get(f"/windows/{run_of(town)}")).text
    assert Cells(page).of("Why") == ["for several tenants", "acme only"]
    assert "acme and other" not in page


def test_every_fault_and_outcome_has_words() -> None:
    assert set(FAULTS) == {each.value for each in Fault}
    assert set(OUTCOMES) == {"equal", "different", "undecided", "failed", None}
