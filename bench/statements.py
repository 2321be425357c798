"""The benchmark's SQL statements, by name."""

import functools
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"


@functools.cache
def statement(name: str) -> str:
    """Return the text of `bench/sql/<name>.sql`; raises FileNotFoundError for a name that has no file."""
    return (_FOLDER / f"{name}.sql").read_text("utf-8")
