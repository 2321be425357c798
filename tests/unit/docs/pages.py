"""The pages of the documentation, and what the tests need to find in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return the page without its fenced blocks."""
    return _FENCED.sub("", page.read_text("utf-8"))


def inline_code(page: Path) -> Iterator[str]:
    """Yield what stands between backticks, each in one line."""
    for code in _CODE.findall(prose(page)):
        yield " ".join(code.split())


def console_lines(page: Path) -> Iterator[str]:
    """Yield the commands of console blocks: the lines that begin with a dollar."""
    for language, block in _FENCED.findall(page.read_text("utf-8")):
        if language == "console":
            yield from (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
