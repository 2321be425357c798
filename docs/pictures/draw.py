# ruff: noqa: INP001, T201 - a program, no part of a package
"""Draws each picture of this folder: `name.txt` becomes `name.svg`. The head of a text says what its lines mean.

The pictures carry their own background, light or dark as the reader prefers, so that they suit any page.
"""

from pathlib import Path

from boxes import Picture
from timeline import Timeline

FOLDER = Path(__file__).parent


def draw(text: str) -> str:
    """Return the SVG of a picture's text: a time line, if the first line is an axis."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    picture = Timeline() if lines[0].startswith("axis ") else Picture()
    for line in lines:
        picture.read(line)
    return picture.svg()


if __name__ == "__main__":
    for source in sorted(FOLDER.glob("*.txt")):
        source.with_suffix(".svg").write_text(draw(source.read_text("utf-8")), "utf-8")
        print(source.with_suffix(".svg"))
