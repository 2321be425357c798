"""The page in Chromium."""

import statistics
from urllib.parse import urlencode

import pytest

from streams.settings import Settings
from tests.integration.web.browser import CHROMIUM, Tab
from tests.integration.web.conftest import Town, serving
from tests.integration.web.crm import write_deals
from tests.integration.web.desk import DAY, NOW, name

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium"),
]
TODAY = NOW.replace(hour=0, minute=0, second=0)
FIRST_ENTERED = "document.querySelector('#funnel td[data-label=Entered]')?.textContent"
THEN = "getComputedStyle(document.querySelector('#verdict h1'), '::after').content"
HEARD = "document.querySelector('#freshness .message').textContent"


async def test_a_flush_reaches_the_pixels_within_a_second(address: str, town: Town, page: Tab) -> None:
    await page.open(f"{address}/?{urlencode(town.where)}")
    assert await page.value(FIRST_ENTERED) == "120"
    spent = []
    for entered in range(201, 208):
        await town.desk.count(
            town.acme, town.sales, "day", TODAY, TODAY + DAY, [(entered, 30), (60, 20), (20, 5)]
        )
        await town.desk.flush()
        spent.append(await page.until(f"{FIRST_ENTERED} === '{entered}'"))
    assert statistics.median(spent) < 1.0
    assert page.complaints == []
    assert all(url.startswith(address) for url in page.requests if not url.startswith("about:"))


async def test_a_page_is_live_though_one_of_its_files_comes_late(address: str, town: Town, page: Tab) -> None:
    await page.call("Network.setCacheDisabled", cacheDisabled=True)
    for number, file in enumerate(("htmx-", "hx-sse-", "page.")):
        await page.hold(f"*/assets/{file}*.js")
        await page.call("Page.navigate", url=f"{address}/?{urlencode(town.where)}")
        await page.until(f"{FIRST_ENTERED} === '{120 + number}'")
        for _ in range(20):  # the other files have long been run
            await page.value("new Promise(done => setTimeout(done, 50))")
        assert len(page.held) == 1, file
        await page.release()
        counts = [(121 + number, 30), (60, 20), (20, 5)]
        await town.desk.count(town.acme, town.sales, "day", TODAY, TODAY + DAY, counts)
        await town.desk.flush()
        await page.until(f"{FIRST_ENTERED} === '{121 + number}'")
        await page.call("Page.navigate", url="about:blank")
        await page.until("location.href === 'about:blank'")


async def test_the_focus_stays_where_it_is_while_numbers_change(address: str, town: Town, page: Tab) -> None:
    await page.open(f"{address}/?{urlencode(town.where)}")
    await page.value(
        "document.querySelectorAll('#funnel th a')[1].focus(), document.querySelector('details').open = true"
    )
    await town.desk.count(town.acme, town.sales, "day", TODAY, TODAY + DAY, [(300, 30), (60, 20), (20, 5)])
    await town.desk.flush()
    await page.until(f"{FIRST_ENTERED} === '300'")
    assert await page.value("document.activeElement.textContent") == "Qualified → Demo"
    assert await page.value("document.querySelector('details').open") is True


async def test_a_page_whose_server_is_gone_says_so_and_comes_back(town: Town, page: Tab) -> None:
    settings = Settings(source_dsn=town.dsn)
    with serving(settings) as address:
        await town.desk.flush(age=-60, proof_age=-60)  # live for as long as a busy browser takes
        await page.open(f"{address}/?{urlencode(town.where)}")
        await page.until(f"{HEARD}.startsWith('Live')")
    assert await page.until(f"{HEARD}.startsWith('Not live')") < 5
    assert await page.value("document.querySelector('#announce').textContent.startsWith('Not live')")
    assert await page.value(THEN) != '" (as of then)"'  # the time at which the page was last told something
    with serving(settings, int(address.rpartition(":")[2])):
        await town.desk.flush()
        assert await page.until(f"!{HEARD}.includes('gives no answer')") < 5
        assert await page.value("document.body.dataset.heard === undefined")


async def test_no_page_is_wider_than_a_small_phone_however_long_the_names_are(town: Town, page: Tab) -> None:
    """Pages with short names are looked at in test_states.py."""
    word = "Donaudampfschifffahrtsgesellschaft" * 4
    await write_deals(town.desk, town.acme, town.sales, TODAY, 120, 30)
    await town.desk.connection.execute("update funnelproof.pipeline_stage set name = $1", word)
    await town.desk.label("tenant", town.acme, word)
    await town.desk.label("pipeline", town.sales, word)
    await town.desk.judge("day")
    await town.desk.fire(town.acme, town.sales, "day", TODAY, TODAY + DAY)
    stages = {"from_stage": name(town.sales, 0), "to_stage": name(town.sales, 1)}
    where, deals = urlencode(town.where), urlencode(town.where | stages)
    run = name(town.acme, town.sales, "day", TODAY - DAY, 1)
    paths = (
        f"/?{where}", "/", "/operations", "/?q=nothing", "/alerts", f"/windows/{run}", f"/deals?{deals}",
        f"/deals/{name(town.sales, TODAY, 'deal', 0)}?{where}", f"/?{where}0",
    )  # fmt: skip
    sites = [
        Settings(source_dsn=town.dsn, deals_dsn=dsn)
        for dsn in (town.dsn, None, "postgresql://x@127.0.0.1:1/crm")
    ]
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True
    )
    for settings in sites:
        with serving(settings) as address:
            for path in paths if settings is sites[0] else paths[6:7]:
                await page.open(address + path)
                assert await page.value("document.documentElement.scrollWidth") <= 320, path


async def test_the_page_is_used_with_the_keyboard_alone(address: str, town: Town, page: Tab) -> None:
    await town.desk.connection.execute(
        "delete from funnelproof.pipeline_stage where pipeline_id = $1", town.theirs
    )
    focused = "(document.activeElement?.textContent ?? '').trim()"

    async def reach(page: Tab, text: str) -> None:
        """Press Tab until the focus is on `text`, and see that the focus can be seen."""
        for _ in range(120):
            await page.press("Tab")
            if await page.value(focused) == text:
                assert await page.value("document.activeElement.matches(':focus-visible')")
                style = "getComputedStyle(document.activeElement)"
                assert await page.value(f"{style}.outlineStyle !== 'none' || {style}.position === 'absolute'")
                return
        pytest.fail(f"the keyboard does not reach {text}")

    async def follow(page: Tab, text: str, until: str) -> None:
        await reach(page, text)
        await page.press("Enter")
        await page.until(until)

    await page.open(f"{address}/?{urlencode(town.where)}")
    await page.press("Tab")
    assert await page.value(focused) == "To the numbers"
    await page.press("Enter")
    await page.until("location.hash === '#main'")
    await follow(page, "alone", "location.search.includes('compare=none')")
    await follow(
        page,
        "Qualified → Demo",
        "(document.querySelector('#trend h2')?.textContent ?? '').startsWith('Trend: Qualified')",
    )
    await follow(page, "As table", "document.querySelector('#trend details')?.open")
    await follow(page, "Tue 9 Jun 2026", "location.search.includes('at=2026-06-09')")
    await follow(page, "proven", "location.pathname.startsWith('/windows/')")
    await follow(page, "To the funnel of this window", "location.pathname === '/'")
    await follow(page, "Operations", "location.pathname === '/operations'")
    await follow(page, "Alerts", "location.pathname === '/alerts'")
    assert page.complaints == []
