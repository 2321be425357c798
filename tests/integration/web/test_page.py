"""The page as HTML, and the stream that keeps the page live."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import asyncpg
import httpx
import pytest

from streams.settings import Settings
from tests.integration.web.conftest import PLAIN, Town, serving
from tests.integration.web.desk import DAY, NOW, Desk, name

TODAY = NOW.replace(hour=0, minute=0, second=0)


class Cells(HTMLParser):
    """The texts of the table of pairs, by label."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[tuple[str, str]] = []
        self.label: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "td" and (label := dict(attrs).get("data-label")):
            self.label = label
            self.cells.append((label, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.label = None

    def handle_data(self, data: str) -> None:
        if self.label:
            self.cells[-1] = (self.label, self.cells[-1][1] + data.strip())

    def of(self, label: str) -> list[str]:
        return [text for name, text in self.cells if name == label]


async def parts(client: httpx.AsyncClient, town: Town) -> AsyncGenerator[str]:
    """The messages of the stream of acme's page."""
    async with client.stream("GET", "/live", params=town.where) as stream:
        lines: list[str] = []
        async for line in stream.aiter_lines():
            if line:
                lines.append(line.removeprefix("data: "))
            else:
                yield "\n".join(lines)
                lines = []


async def get(address: str, path: str = "/") -> httpx.Response:
    async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20, follow_redirects=True) as client:
        return await client.get(path)


async def test_the_page_has_the_numbers_without_scripts(client: httpx.AsyncClient, town: Town) -> None:
    page = await client.get("/", params=town.where)
    cells = Cells(page.text)
    assert cells.of("Entered") == ["120", "60", "20"]
    assert cells.of("Converted") == ["30", "20", "5"]
    assert cells.of("Whole day before")[0] == "44.9\N{NO-BREAK SPACE}%of 401"
    assert "<noscript><meta http-equiv=" in page.text


async def test_the_window_is_named_in_the_tenants_timezone(client: httpx.AsyncClient, town: Town) -> None:
    await town.desk.connection.execute(
        "insert into funnelproof.timezone values ($1, null, 'Asia/Tokyo')", town.acme
    )
    start = TODAY - timedelta(days=20, hours=9)
    await town.desk.close(town.acme, town.sales, "day", start, start + DAY, [(1, 1)])
    page = await client.get("/", params=town.where | {"at": start.isoformat()})
    assert "Thu 21 May 2026" in page.text


async def test_a_name_with_markup_is_text(client: httpx.AsyncClient, town: Town) -> None:
    evil = "<script>alert(1)</script>\" onload=x '"
    await town.desk.connection.execute(
        "update funnelproof.pipeline_stage set name = $1 where stage_id = $2", evil, name(town.sales, 0)
    )
    page = await client.get("/", params=town.where)
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34; onload=x &#39;" in page.text


async def test_nothing_foreign_is_asked_for(client: httpx.AsyncClient, town: Town) -> None:
    page = await client.get("/", params=town.where)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    loaded = re.findall(r"""(?:src|href)=["']([^"'#?]+)""", page.text)
    assert {url for url in loaded if not url.startswith("/")} == set()
    assert not re.search(r"\sstyle=|\son\w+=", page.text)
    for url in {url for url in loaded if url.startswith("/assets/")}:
        file = await client.get(url)
        assert (file.status_code, "immutable" in file.headers["cache-control"]) == (200, True)


async def test_the_first_load_is_small(client: httpx.AsyncClient, town: Town) -> None:
    page = await client.get("/", params=town.where)
    urls = set(re.findall(r'="(/assets/[^"]+)"', page.text))
    assert len(urls) + 1 <= 8
    sizes = [int((await client.get(url)).headers["content-length"]) for url in urls]
    assert sum(sizes) + int(page.headers["content-length"]) <= 60_000


async def test_a_flush_is_pushed_within_a_second(client: httpx.AsyncClient, town: Town) -> None:
    messages = parts(client, town)
    first = await anext(messages)
    assert all(
        f'hx-target="#{part}"' in first
        for part in ("freshness", "verdict", "proofs", "funnel", "trend", "ledger")
    )
    for entered in (121, 122, 123):
        await asyncio.sleep(1.3)  # so that the flush meets a feed at rest
        await town.desk.count(
            town.acme, town.sales, "day", TODAY, TODAY + DAY, [(entered, 30), (60, 20), (20, 5)]
        )
        await town.desk.flush()
        begun = asyncio.get_running_loop().time()
        async for message in messages:
            if f">{entered}<" in message:
                break
        assert asyncio.get_running_loop().time() - begun < 1.0
        assert 'hx-target="#ledger"' not in message
    await messages.aclose()


@pytest.mark.parametrize("age", [0, 7200])
async def test_a_page_on_which_nothing_changes_hears_that_its_server_is_there(
    client: httpx.AsyncClient, town: Town, age: int
) -> None:
    town.desk.partitions = 2  # the second one is never read: nothing changes, not even an age
    await town.desk.connection.execute("update funnelproof.epoch set partitions = 2")
    if age:
        await town.desk.flush(age=age, partition=1)
        await town.desk.flush(age=age)
    messages = parts(client, town)
    texts = set()
    for _ in range(4):
        async with asyncio.timeout(3):
            message = await anext(messages)
        texts.add(message[message.index('hx-target="#freshness"') :].partition("</hx-partial>")[0])
    assert len(texts) == 1
    await messages.aclose()


async def test_a_closed_window_is_pushed(client: httpx.AsyncClient, town: Town) -> None:
    messages = parts(client, town)
    assert "Mon 8 Jun 2026: 44.8" in await anext(messages)
    await town.desk.close(
        town.acme, town.sales, "day", TODAY - 2 * DAY, TODAY - DAY, [(402, 201), (200, 90), (100, 40)],
        revision=2, causes=["delete"],
    )  # fmt: skip
    await town.desk.connection.execute("insert into funnelproof.outbox (run_id) values (gen_random_uuid())")
    async for message in messages:
        if "Mon 8 Jun 2026: 50.0" in message:
            break
    assert "an entry was deleted" in message
    await messages.aclose()


async def test_a_window_that_closes_in_a_long_transaction_is_pushed_after_its_commit(
    client: httpx.AsyncClient, town: Town
) -> None:
    messages = parts(client, town)
    await anext(messages)
    other = await asyncpg.connect(town.dsn)
    flushing = replace(town.desk, connection=other)
    async with town.desk.connection.transaction():
        await town.desk.connection.execute(
            "insert into funnelproof.outbox (run_id) values (gen_random_uuid())"
        )
        await town.desk.close(
            town.acme, town.sales, "day", TODAY - 2 * DAY, TODAY - DAY, [(402, 201), (200, 90), (100, 40)],
            revision=2, causes=["delete"],
        )  # fmt: skip
        await flushing.count(town.acme, town.sales, "day", TODAY, TODAY + DAY, [(555, 30), (60, 20), (20, 5)])
        await flushing.flush()
        async for message in messages:  # the publication has a number by now
            if ">555<" in message:
                break
        assert "Mon 8 Jun 2026: 50.0" not in message
    await flushing.flush()
    async for message in messages:
        if "Mon 8 Jun 2026: 50.0" in message:
            break
    await other.close()
    await messages.aclose()


async def test_a_page_that_cannot_be_read_any_more_keeps_no_other_page_back(
    client: httpx.AsyncClient, town: Town
) -> None:
    gone = {"tenant": str(town.other), "pipeline": str(town.theirs), "window": "day"}
    async with client.stream("GET", "/live", params=gone) as stream:
        await anext(stream.aiter_lines())
        messages = parts(client, town)
        await anext(messages)
        await town.desk.connection.execute(
            "delete from funnelproof.pipeline_stage where pipeline_id = $1", town.theirs
        )
        for entered in (888, 999):
            numbers = [(entered, 30), (60, 20), (20, 5)]
            await town.desk.count(town.acme, town.sales, "day", TODAY, TODAY + DAY, numbers)
            await town.desk.flush()
            async for message in messages:
                if f">{entered}<" in message:
                    break
        await messages.aclose()


async def test_followers_of_one_page_get_the_same_bytes(client: httpx.AsyncClient, town: Town) -> None:
    several = [parts(client, town) for _ in range(5)]
    for each in several:
        await anext(each)
    await town.desk.count(town.acme, town.sales, "day", TODAY, TODAY + DAY, [(777, 30), (60, 20), (20, 5)])
    await town.desk.flush()

    async def funnel(messages: AsyncGenerator[str]) -> str:
        async for message in messages:
            if ">777<" in message:
                return message[message.index('hx-target="#funnel"') :]
        raise AssertionError

    assert len(set(await asyncio.gather(*map(funnel, several)))) == 1
    for each in several:
        await each.aclose()


async def test_a_stop_ends_open_streams_at_once(town: Town) -> None:
    loop = asyncio.get_running_loop()
    with serving(Settings(source_dsn=town.dsn)) as address:
        client = httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20)
        several = [parts(client, town) for _ in range(20)]
        for each in several:
            await anext(each)
        begun = loop.time()
    assert loop.time() - begun < 3
    await client.aclose()


async def test_a_database_that_hangs_is_named_before_its_statement_is_ended(
    client: httpx.AsyncClient, town: Town
) -> None:
    messages = parts(client, town)
    await anext(messages)
    async with town.desk.connection.transaction():
        await town.desk.connection.execute("lock table funnelproof.prover")
        async for message in messages:
            if "Not live: " in message:
                break
        assert "(the report database at " in message
        assert "gives no answer)" in message
    async for message in messages:
        if "gives no answer" not in message and "took more than" not in message:
            break
    await messages.aclose()


async def test_a_page_is_told_to_be_late_at_once(client: httpx.AsyncClient, town: Town) -> None:
    messages = parts(client, town)
    await anext(messages)
    for partition_age, proof_age, words in ((3.3, 0, "Late: 4 s behind"), (0, 3.3, "proven for 4 s")):
        await town.desk.flush(age=0)
        async for message in messages:
            if "Live: " in message:
                break
        await town.desk.flush(age=partition_age, proof_age=proof_age)
        async for message in messages:
            if "Late: " in message:
                break
        assert words in message
    await messages.aclose()


async def test_the_stream_of_an_unknown_pipeline_is_not_found(client: httpx.AsyncClient, town: Town) -> None:
    answer = await client.get("/live", params=town.where | {"tenant": str(town.other)})
    assert answer.status_code == 404


async def test_one_pipeline_is_shown_at_once_and_many_are_chosen_from(
    client: httpx.AsyncClient, town: Town
) -> None:
    listed = await client.get("/")
    assert str(town.sales) in listed.text
    assert str(town.theirs) in listed.text
    found = await client.get("/", params={"q": str(town.theirs)[:8]})
    assert str(town.sales) not in found.text
    await town.desk.connection.execute(
        "delete from funnelproof.pipeline_stage where pipeline_id = $1", town.theirs
    )
    assert (await client.get("/")).headers["location"].endswith(f"pipeline={town.sales}")


async def test_a_run_shows_its_proof_and_its_sql(client: httpx.AsyncClient, town: Town) -> None:
    run_id = name(town.acme, town.sales, "day", TODAY - 3 * DAY, 2)
    page = await client.get(f"/windows/{run_id}")
    assert "revision 2" in page.text
    assert f"where run_id = &#39;{run_id}&#39;" in page.text or f"where run_id = '{run_id}'" in page.text
    assert Cells(page.text).of("Converted") == ["181", "90", "40"]


async def test_states_before_the_first_numbers_say_what_to_do(empty_database: str, database: str) -> None:
    with serving(Settings(source_dsn=empty_database)) as address:
        page = await get(address)
        assert (page.status_code, "run <code>funnelproof migrate</code>" in page.text) == (503, True)
    desk = await Desk.open(database, partitions=2)
    with serving(Settings(source_dsn=database)) as address:
        assert "start <code>funnelproof worker</code>" in (await get(address)).text
        await desk.install()
        await desk.flush()
        await desk.stages(name("acme"), name("sales"))
        await desk.open_window("day", TODAY, TODAY + DAY)
        page = await get(address)
        assert "Loading: 1 of 2 partitions are read" in page.text
        assert "Loading: the counts are not complete yet." in page.text
        assert "Learning: the trend begins" in page.text
    await desk.connection.close()


async def test_the_page_waits_for_a_database_that_is_away() -> None:
    with serving(Settings(source_dsn="postgresql://postgres@127.0.0.1:1/none")) as address:
        page = await get(address)
        assert page.status_code == 503
        assert 'http-equiv="refresh" content="3"' in page.text
        api = await get(address, "/api/v1/health")
        assert (api.status_code, api.headers["retry-after"]) == (503, "5")
        assert "127.0.0.1:1/none" in api.json()["detail"]


async def verdict(client: httpx.AsyncClient, town: Town) -> str:
    """The text of the verdict, without markup."""
    return await part(client, town, "verdict")


async def part(client: httpx.AsyncClient, town: Town, name: str) -> str:
    page = (await client.get("/", params=town.where)).text
    found = page[page.index(f'<section id="{name}"') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", found[: found.index("</section>")])).strip()


async def test_only_the_detector_of_alerts_gives_a_verdict(client: httpx.AsyncClient, town: Town) -> None:
    desk = town.desk
    assert (await verdict(client, town)).startswith(
        "No verdict. No rule of alerts has judged such windows yet"
    )
    await desk.judge("day", age=300)
    assert (await verdict(client, town)).startswith("No verdict. Nobody evaluates the rules of alerts")
    await desk.judge("day", held="nothing is proven")
    assert (await verdict(client, town)).startswith("No verdict. Verdicts are held back: nothing is proven.")
    await desk.judge("day")
    assert (await verdict(client, town)).startswith("No alert is on. 1 rule judges windows of this kind.")
    await desk.fire(town.acme, town.sales, "hour", TODAY, TODAY + DAY)
    assert (await verdict(client, town)).startswith("No alert is on.")  # the alert is about hours
    await desk.fire(town.acme, town.sales, "day", TODAY, TODAY + DAY)
    told = await verdict(client, town)
    assert told.startswith(
        "Lead → Qualified is dropping: 25.0 %, expected 44.9 %."
        " Since 10 Jun 2026, 00:00:00, or soon after; the alert fired 10 Jun 2026, 10:20:30 (UTC)."
        " Rule “drop”, false alarms at most 1 per pipeline per month."
    )
    sure = await part(client, town, "proofs")
    assert "Very likely a real fall: a fall explains the numbers 5,200 times better than chance." in sure
    assert "30 of 120 converted so far" in sure
    assert "The day is open until 11 Jun, 00:00: the counts still change" in sure


async def test_few_entries_are_too_few_to_tell(client: httpx.AsyncClient, town: Town) -> None:
    await town.desk.judge("day")
    await town.desk.count(town.acme, town.sales, "day", TODAY, TODAY + DAY, [(14, 5), (5, 1), (1, 0)])
    assert (await verdict(client, town)).startswith("14 entries: too few to tell. No alert is on.")


async def test_alerts_are_listed_with_what_became_of_them(client: httpx.AsyncClient, town: Town) -> None:
    assert "No alert is on." in (await client.get("/alerts")).text
    await town.desk.judge("day")
    await town.desk.fire(town.acme, town.sales, "day", TODAY, TODAY + DAY)
    page = await client.get("/alerts")
    assert Cells(page.text).of("State") == ["firing"]
    assert Cells(page.text).of("Transition") == ["fired"]
    events = (await client.get("/api/v1/alerts/events", params={"pipeline": str(town.sales)})).json()
    assert [event["transition"] for event in events["items"]] == ["fired"]


async def test_names_of_the_crm_are_shown_and_searched(client: httpx.AsyncClient, town: Town) -> None:
    await town.desk.label("tenant", town.acme, "Acme & Sons")
    await town.desk.label("pipeline", town.sales, "New business")
    page = await client.get("/", params=town.where)
    assert "Acme &amp; Sons" in page.text
    assert ">New business</a>" in page.text
    found = (await client.get("/api/v1/pipelines", params={"q": "new bus"})).json()["items"]
    assert [(item["tenant"], item["pipeline"]) for item in found] == [("Acme & Sons", "New business")]


async def test_the_page_shows_what_is_expected_and_how_long_deals_take(
    client: httpx.AsyncClient, town: Town
) -> None:
    desk, where, today = town.desk, (town.acme, town.sales), ("day", TODAY, TODAY + DAY)

    async def cells(label: str) -> str:
        return Cells((await client.get("/", params=town.where)).text).of(label)[0].replace("\xa0", " ")

    assert await cells("Expected so far") == "\N{EN DASH}"
    await desk.expect(where, today, 13, 0.44, learned=False)
    assert await cells("Expected so far") == "learning, 1 window left"
    await desk.expect(where, today, 20, 0.44, learned=True)
    await desk.age(where, today, (120, 30))
    assert await cells("Expected so far") == "44.0 %usual 31.7 % to 56.7 %"
    assert await cells("Time") == "≈ 4.0 h"
    page = (await client.get("/", params=town.where)).text
    assert "had at the same age, 10:00" in page
    assert 'class="range"' in page
    told = (await client.get("/api/v1/funnel", params=town.where)).json()["pairs"][0]
    assert (told["expected"]["state"], told["expected"]["low"], told["expected"]["high"]) == ("known", 38, 68)
    assert told["time_to_convert"]["is_exact"] is False
    rows = (await client.get("/api/v1/funnel", params=town.where | {"format": "csv"})).text.splitlines()
    assert dict(zip(rows[0].split(","), rows[1].split(","), strict=True))["expected_high"] == "68"
    await desk.connection.execute("update funnelproof.prover set completeness = 'estimated'")
    assert await cells("Expected so far") == "not while results are estimates"
    await desk.connection.execute(
        "update funnelproof.prover set completeness = 'proven', source_time = $1", TODAY + DAY / 24
    )
    assert await cells("Expected so far") == "from 02:00 on"
    await desk.connection.execute("update funnelproof.prover set source_time = $1", TODAY + DAY / 8)
    assert (await cells("Expected so far")).endswith("; seen 0.0 %")  # by 02:00; conversions came after four


async def test_an_alert_that_fires_is_pushed_within_a_second(client: httpx.AsyncClient, town: Town) -> None:
    await town.desk.judge("day")
    async with client.stream("GET", "/alerts/live") as stream:
        lines = stream.aiter_lines()
        async for line in lines:
            if "No alert is on." in line:
                break
        await town.desk.fire(town.acme, town.sales, "day", TODAY, TODAY + DAY)
        begun = asyncio.get_running_loop().time()
        async for line in lines:
            if "firing" in line:
                break
        assert asyncio.get_running_loop().time() - begun < 1.5
