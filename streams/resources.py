"""The SQL statements and schemas of the program, found by name."""

import functools
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path


@functools.cache
def _root(folder: str) -> Traversable:
    """Return the folder inside the installed package, or beside the package in a source checkout."""
    packaged = resources.files("streams") / folder
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / folder


@functools.cache
def sql(name: str) -> str:
    """Return the text of `sql/<name>.sql`. Raises FileNotFoundError for a name without a file."""
    return (_root("sql") / f"{name}.sql").read_text("utf-8")


def sql_names(folder: str) -> list[str]:
    """Return the sorted names of the statements in `sql/<folder>/`, without `.sql`."""
    found = (_root("sql") / folder).iterdir()
    return sorted(file.name.removesuffix(".sql") for file in found if file.name.endswith(".sql"))


@functools.cache
def schema(name: str) -> str:
    """Return the text of `schemas/<name>`, for example `connectors/crm.json`."""
    return (_root("schemas") / name).read_text("utf-8")
