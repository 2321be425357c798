"""The shapes that every drawing in a terminal is made of: text, tables of fixed widths, bars."""

from rich.table import Table
from rich.text import Text

GAP = 2
"""The characters between two columns of a table."""
_NO_BREAK = "\N{NO-BREAK SPACE}"


def printable(text: str) -> str:
    """Return `text` with every control character escaped: names from a CRM must not command a terminal."""
    return "".join(
        each if each.isprintable() or each == _NO_BREAK else each.encode("unicode_escape").decode()
        for each in text
    )


def table(*columns: tuple[str, int]) -> Table:
    """Return a table of fixed column widths, so the page never jumps; a negative width aligns to the right."""
    drawn = Table(box=None, pad_edge=False, padding=(0, GAP // 2), header_style="dim")
    for heading, width in columns:
        drawn.add_column(
            heading,
            justify="left" if width > 0 else "right",
            width=abs(width),
            no_wrap=True,
            overflow="ellipsis",
        )
    return drawn


def bar(entered: int, converted: int, widest: int, width: int) -> Text:
    """Return a bar of the deals that entered, with the converted deals in front; `widest` deals fill the width."""
    long, full = (round(count / max(1, widest) * width) for count in (entered, converted))
    return Text.assemble(("█" * full, "green"), ("█" * (long - full), "grey37"))


def change(before: int | None, after: int) -> Text:
    """Return a count with the count before, for example `40 → 41`; a count that did not change alone."""
    if before == after:
        return Text(f"{after}", "dim")
    return Text(f"{'-' if before is None else before} → {after}", "bold")
