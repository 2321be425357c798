import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.unit.docs.pages import DOCS, ROOT, prose
from tests.unit.docs.site import Page, build, built_site

NAV = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)


def built_as(name: str) -> str:
    """Return the name that a page has in the site."""
    return re.sub(r"\bREADME\.", "index.", name).removesuffix(".md") + ".html"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(NAV) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


@pytest.mark.thorough
def test_the_site_has_the_pages_of_the_navigation_and_no_others(site: Path) -> None:
    built = {str(page.relative_to(site)) for page in site.rglob("*.html")}
    assert {*map(built_as, NAV), "404.html"} == built


@pytest.mark.thorough
def test_every_link_of_the_site_leads_to_a_page_and_an_anchor_of_the_site(pages: dict[Path, Page]) -> None:
    def is_broken(page: Page, link: str) -> bool:
        parts = urlsplit(link)
        target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        if target.suffix != ".html":
            return not target.is_file()
        return target not in pages or bool(parts.fragment and parts.fragment not in pages[target].anchors)

    local = [
        (page.path.name, link)
        for page in pages.values()
        if page.path.name != "404.html"  # its links begin at the root of the server
        for link in [*page.links, *page.loaded]
        if not urlsplit(link).scheme and is_broken(page, link)
    ]
    assert local == []


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAV)
def test_every_table_and_every_item_of_a_list_is_one_in_the_site(
    pages: dict[Path, Page], site: Path, name: str
) -> None:
    """Code hosts see a list right below a line of text, and short indents; the site's Markdown does not."""
    text = prose(DOCS / name)
    page = pages[site / built_as(name)]
    assert page.tables == len(re.findall(r"^\|[ :|-]+\|$", text, re.MULTILINE))
    assert page.items == len(re.findall(r"^\s*(?:[-*]|\d+\.) ", text, re.MULTILINE))


@pytest.mark.thorough
def test_the_site_loads_nothing_from_another_machine(site: Path, pages: dict[Path, Page]) -> None:
    foreign = [link for page in pages.values() for link in page.loaded if urlsplit(link).netloc]
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert styles
    assert foreign + re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')]*", styles) == []


@pytest.mark.thorough
def test_the_site_has_neither_the_texts_of_pictures_nor_programs(site: Path) -> None:
    assert sorted(site.rglob("*.svg"))
    assert [*site.rglob("*.txt"), *site.rglob("*.py")] == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("link", "is_broken"),
    [("no-such-page.md", True), ("tour.md#no-such-heading", True), ("tour.md#a-heading", False)],
)
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str, is_broken: bool) -> None:
    """Two pages are a site, too, and quickly built."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tour.md").write_text("# Tour\n\n## A heading\n", "utf-8")
    (tmp_path / "docs" / "glossary.md").write_text(f"# Glossary\n\n[A link]({link})\n", "utf-8")
    done = build(tmp_path, "tour.md", "glossary.md")
    assert (done.returncode != 0) == is_broken
    assert ("does not exist" in done.stdout + done.stderr) == is_broken
