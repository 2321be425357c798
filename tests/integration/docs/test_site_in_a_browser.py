"""The docs site in a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.web.browser import CHROMIUM, Tab
from tests.unit.docs.site import built_site

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium"),
]
BUTTON = "document.querySelector('.md-search__button')"


TEXTS = """function texts(node) {
    return [...node.querySelectorAll("*")]
        .map(each => each.shadowRoot ? each.shadowRoot.textContent + texts(each.shadowRoot) : "").join(" ");
}"""
"""The texts of the shadow trees of a document: the search draws its results in page."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="module")
def pages(site: Path) -> list[str]:
    return sorted(str(page.relative_to(site)) for page in site.rglob("*.html"))


@pytest.fixture
async def address(site: Path) -> AsyncIterator[str]:
    """The address of the site on a server of this test's own."""
    application = web.Application()
    application.add_routes([web.static("/", site)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_no_page_asks_another_machine_or_is_wider_than_a_phone(
    page: Tab, pages: list[str], address: str
) -> None:
    assert len(pages) > 40
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True
    )
    for path in pages:
        await page.open(address + path)
        assert await page.value("document.documentElement.scrollWidth") <= 320, path
    assert [url for url in page.requests if not url.startswith((address, "data:"))] == []
    assert len(page.requests) > len(pages)


async def test_the_search_finds_a_page_by_a_word(page: Tab, address: str) -> None:
    await page.open(address + "index.html")
    await page.until(f"!!{BUTTON}")
    await page.value(f"{BUTTON}.click()")
    await page.until("document.activeElement !== document.body")
    await page.call("Input.insertText", text="zombie")
    await page.until(f"({TEXTS})(document).includes('What stops a zombie')")
    assert [url for url in page.requests if not url.startswith((address, "data:", "blob:"))] == []
