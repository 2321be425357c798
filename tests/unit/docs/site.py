"""The built docs site: building one, and what the tests need to find in one."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from tests.unit.docs.pages import DOCS, ROOT

SITE = "build/site"
LOADING = {
    ("script", "src"),
    ("img", "src"),
    ("link", "href"),
    ("source", "src"),
    ("iframe", "src"),
    ("use", "href"),
}


def build(folder: Path, *only: str) -> "subprocess.CompletedProcess[str]":
    """Build the pages in `folder / "docs"` as `make docs` does, into `folder / SITE`; `only`: no more than these."""
    settings, title, pages = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")
    assert title
    pages = "".join(f"  - {page}\n" for page in only) or pages
    (folder / "mkdocs.yml").write_text(settings + title + pages, "utf-8")
    return subprocess.run(
        [Path(sys.executable).parent / "zensical", "build", "--clean", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def built_site(folder: Path) -> Path:
    """Build a copy of the documentation, beside the build of a developer; return the site's folder."""
    shutil.copytree(DOCS, folder / "docs")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / SITE


@dataclass
class Page(HTMLParser):
    """A page's links and anchors, the addresses that a browser loads with the page, tables and items of its text."""

    path: Path
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    tables: int = 0
    items: int = 0
    in_text: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.in_text |= tag == "article"
        self.tables += self.in_text and tag == "table"
        self.items += self.in_text and tag == "li"
        for name, value in attrs:
            if value is None:
                continue
            if name == "id":
                self.anchors.add(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)
            elif (tag, name) in LOADING:
                self.loaded.append(value)

    def handle_endtag(self, tag: str) -> None:
        self.in_text &= tag != "article"
