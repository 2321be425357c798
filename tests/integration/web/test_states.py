"""Every state of every page: nothing that axe finds, nothing wider than a phone, light and dark; pictures on request.

There are two layouts, a desk's and, below 640 pixels, a phone's. axe's rules of colours, which take most of axe's time,
look at both layouts in both themes. A theme changes nothing but colours, so axe's other rules look at a layout once.

With FUNNELPROOF_TEST_PICTURES=<folder> the test writes a picture of each state there: `make pictures`.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.integration.web.browser import CHROMIUM, Tab
from tests.integration.web.conftest import serving
from tests.integration.web.desk import Desk
from tests.integration.web.gallery import STATES, Scene, State, pictures_of

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium"),
]
AXE = Path(__file__).parent / "axe" / "axe-4.12.1.min.js"
PICTURES = os.environ.get("FUNNELPROOF_TEST_PICTURES")
MOST_BYTES = 95_000
"""The most bytes of a picture."""
WIDTHS = {1280: 900, 700: 900, 390: 844, 320: 640}
"""Heights of screens by width: a desk, half a desk, a phone, a small phone."""
DRAWN = {("light", 1280): "light", ("dark", 1280): "dark", ("light", 390): "phone"}
"""Pictures by theme and width."""
HEARD = "document.querySelector('#freshness .message').textContent"
EVERY_RULE, COLOURS = "undefined", "['color-contrast', 'link-in-text-block']"
LOOKS = {
    ("light", 1280): EVERY_RULE, ("light", 320): EVERY_RULE, ("dark", 1280): COLOURS, ("dark", 320): COLOURS
}  # fmt: skip
"""The rules of axe by theme and width."""
RUN_AXE = """
axe.run(document, {resultTypes: ['violations'], runOnly: %s}).then(found => found.violations.map(
  each => `${each.impact} ${each.id}: ${each.nodes.map(node => node.html).slice(0, 3).join(' | ')}`
))
"""


@pytest.fixture
async def scene(database: str) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        desk = await Desk.open(database)
        stack.push_async_callback(desk.connection.close)
        yield Scene(desk, database, stack)


async def violations(page: Tab, rules: str) -> list[str]:
    """What axe's rules have to say of the page as it looks now."""
    if not await page.value("'axe' in window"):
        await page.call("Runtime.evaluate", expression=AXE.read_text())
    found: list[str] = await page.value(RUN_AXE % rules)
    return found


def test_axe_is_the_file_that_was_published() -> None:
    assert hashlib.sha512(AXE.read_bytes()).hexdigest().startswith("b3c14bebe414ee82")


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
async def test_a_state_can_be_read_by_everybody_on_every_screen(
    scene: Scene, state: State, page: Tab
) -> None:
    path = await state.make(scene)
    with serving(scene.site(), gate=scene.gate) as address:
        await page.call("Network.setExtraHTTPHeaders", headers=scene.headers)
        await page.look(1280, WIDTHS[1280], "light")
        await page.open(address + path)
        if not state.leaves:
            await check(page, state)
    if state.leaves:
        await page.until(f"{HEARD}.startsWith('Not live')")
        await check(page, state)
    assert not [each for each in page.complaints if "Content Security Policy" in each]


async def check(page: Tab, state: State) -> None:
    drawn = pictures_of(state)
    for theme in ("light", "dark"):
        for width, height in WIDTHS.items():
            await page.look(width, height, theme)
            if rules := LOOKS.get((theme, width)):
                assert await violations(page, rules) == [], (theme, width)
            assert await page.value("document.documentElement.scrollWidth") <= width, (theme, width)
            picture = f"{state.name}-{DRAWN.get((theme, width))}.webp"
            if PICTURES and picture in drawn:
                await draw(page, state, Path(PICTURES) / picture, (width, theme))


async def draw(page: Tab, state: State, file: Path, screen: tuple[int, str]) -> None:
    """Write a picture of the state."""
    if not state.leaves:  # axe lets no word of the stream through while axe works
        await page.until(f"!document.querySelector('#freshness') || !{HEARD}.includes('gives no answer')")
    for quality in (70, 50, 30):
        drawn = await page.picture(*screen, quality)
        if len(drawn) < MOST_BYTES:
            break
    await asyncio.to_thread(file.write_bytes, drawn)
