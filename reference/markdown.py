"""Tables and code in Markdown that code hosts and the docs site read alike."""

from collections.abc import Iterable, Sequence

MADE = "<!-- Made from the code: `make reference` writes this page anew. -->"


def page(title: str, *parts: str) -> str:
    """Return a page of the reference; empty parts are left out."""
    return "\n\n".join([f"# {title}", MADE, *(part for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. Raises ValueError for a cell with a pipe: readers of Markdown differ in how they escape pipes."""
    lines = [list(head), ["---"] * len(head), *(list(row) for row in rows)]
    for line in lines:
        if any("|" in cell for cell in line):
            raise ValueError(f"a cell of a table may not hold a pipe: {line}")
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def code(text: object) -> str:
    """Return `text` as code; nothing for an empty text."""
    return f"`{text}`" if str(text) else ""


def codes(texts: Iterable[object]) -> str:
    """Return a list of code."""
    return ", ".join(code(text) for text in texts)


def fenced(language: str, text: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text}\n```"


def first_paragraph(docstring: str | None) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join((docstring or "").strip().partition("\n\n")[0].split())
