"""The docs site in a browser, as a reader opens the built pages from a folder."""

from pathlib import Path

import pytest

from tests.integration.web.browser import CHROMIUM, tab
from tests.unit.docs.site import built_site

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium"),
]


async def test_no_page_asks_another_machine_or_is_wider_than_a_phone(tmp_path: Path) -> None:
    pages = sorted(built_site(tmp_path).rglob("*.html"))
    assert len(pages) > 40
    async with tab(tmp_path / "profile") as one:
        await one.call(
            "Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True
        )
        for page in pages:
            await one.open(page.as_uri())
            assert await one.value("document.documentElement.scrollWidth") <= 320, page
    assert [url for url in one.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len(one.requests) > len(pages)
