"""Every state of every page: nothing that axe finds, nothing wider than a phone, light and dark; pictures on request.

There are two layouts, a desk's and, below 640 pixels, a phone's. A theme changes nothing but colours, and a phone's
layout changes no colour: the style sheet is held to both. So the contrast of colours, which takes most of axe's time,
is looked at once in each theme, and everything else once in each layout. A link in a text is told by more than its
colour: a link that axe would let pass for a colour unlike the text's depends on both, and is none here.

With FUNNELPROOF_TEST_PICTURES=<folder> the test writes a picture of each state there: `make pictures`.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

import streams
from tests.integration.web.browser import CHROMIUM, Browser, Tab
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
LOOKED_AT = [*(("light", width) for width in WIDTHS), ("dark", 1280)]
"""Themes and widths; the dark theme has the layout that the light one has."""
LOOKS = {
    ("light", 1280): "",
    ("light", 320): "rules: {'color-contrast': {enabled: false}}",
    ("dark", 1280): "runOnly: ['color-contrast']",
}
"""Which of axe's rules look at the page, by theme and width; all where nothing is said."""
STYLES = (Path(streams.__file__).parent / "web" / "assets" / "page.css").read_text("utf-8")
DARK, PHONE = "@media (prefers-color-scheme: dark)", "@media (max-width: 640px)"
LAYOUT = {
    "align-items", "border", "border-left", "border-radius", "display", "flex", "gap", "justify-content", "margin",
    "margin-right", "min-width", "padding", "padding-left", "padding-right", "scroll-margin-top", "white-space",
    "width",
}  # fmt: skip
"""Properties that change neither the colours of a text nor its size."""
LARGE = 18.67 / 16
"""The size, in rem, from which a bold text is a large one, for which less contrast suffices."""
LINKS = "axe.configure({rules: [{id: 'link-in-text-block', any: ['link-in-text-block-style']}]})"
"""Have axe ask of a link in a text for a style, as an underline: a colour does not do."""
RUN_AXE = """
axe.run(document, {resultTypes: ['violations'], %s}).then(found => found.violations.map(
  each => `${each.impact} ${each.id}: ${each.nodes.map(node => node.html).slice(0, 3).join(' | ')}`
))
"""


@pytest.fixture
async def scene(database: str) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        desk = await Desk.open(database)
        stack.push_async_callback(desk.connection.close)
        yield Scene(desk, database, stack)


@pytest.fixture(scope="session")
async def window(browser: Browser) -> AsyncIterator[Tab]:
    """A tab for the states one after the other: a tab with a process of its own takes longer than most states."""
    async with browser.tab() as tab:
        yield tab


@pytest.fixture
async def screen(window: Tab) -> Tab:
    """The tab; the next page takes the place of the state before, for a blank page would take a process of its own."""
    window.complaints.clear()
    await window.call("Network.clearBrowserCookies")
    return window


async def violations(page: Tab, rules: str) -> list[str]:
    """What axe's rules have to say of the page as it looks now."""
    if not await page.value("'axe' in window"):
        await page.call("Runtime.evaluate", expression=f"{AXE.read_text()};{LINKS}")
    found: list[str] = await page.value(RUN_AXE % rules)
    return found


class Declared(NamedTuple):
    """A declaration of the style sheet, with the selectors of its rule."""

    selectors: str
    name: str
    value: str


def declared(medium: str) -> list[Declared]:
    """What the style sheet declares for a medium."""
    (block,) = re.findall(rf"^{re.escape(medium)} {{\n(.*?)^}}", STYLES, re.DOTALL | re.MULTILINE)
    return [
        Declared(selectors.strip(), *declaration.strip().split(": ", 1))
        for selectors, rule in re.findall(r"([^{}]+){([^{}]+)}", block)
        for declaration in rule.split(";")
        if declaration.strip()
    ]


def test_a_theme_changes_nothing_but_colours() -> None:
    dark = declared(DARK)
    assert STYLES.count("@media") == 2
    assert len(dark) > 10
    for each in dark:
        assert (each.selectors, each.name[:2]) == (":root", "--")
        assert re.fullmatch("#[0-9a-f]{3,6}", each.value)


def test_the_layout_of_a_phone_changes_no_colour_and_shows_no_more() -> None:
    phone = declared(PHONE)
    hidden = [each for each in phone if each.name == "display" and each.value.startswith("none")]
    assert STYLES.count("display: none") == len(hidden)
    others = [each for each in phone if each.name not in LAYOUT]
    seen = [each for each in others if not each.selectors.endswith("::before")]  # axe reads no text of styles
    assert len(seen) < len(others)
    assert [(each.selectors, each.name) for each in seen] == [("h1", "font-size")]
    assert float(seen[0].value.removesuffix("rem")) > LARGE


def test_axe_is_the_file_that_was_published() -> None:
    assert hashlib.sha512(AXE.read_bytes()).hexdigest().startswith("b3c14bebe414ee82")


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
async def test_a_state_can_be_read_by_everybody_on_every_screen(
    scene: Scene, state: State, screen: Tab
) -> None:
    path = await state.make(scene)
    with serving(scene.site(), gate=scene.gate) as address:
        await screen.call("Network.setExtraHTTPHeaders", headers=scene.headers)
        await screen.look(1280, WIDTHS[1280], "light")
        await screen.open(address + path)
        if not state.leaves:
            await check(screen, state)
    if state.leaves:
        await screen.until(f"{HEARD}.startsWith('Not live')")
        await check(screen, state)
    assert not [each for each in screen.complaints if "Content Security Policy" in each]


async def check(page: Tab, state: State) -> None:
    drawn = pictures_of(state)
    for theme, width in LOOKED_AT:
        await page.look(width, WIDTHS[width], theme)
        if (rules := LOOKS.get((theme, width))) is not None:
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
