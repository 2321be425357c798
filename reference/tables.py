"""The page of tables and views: columns from a migrated database, meanings from the comments in the migrations."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from asyncpg import Connection, Record

from reference.markdown import code, page, table
from streams.store.migrations import known_migrations

STATEMENT = (Path(__file__).parent / "relations.sql").read_text("utf-8")
MEANINGS = tomllib.loads((Path(__file__).parent / "meanings.toml").read_text("utf-8"))
CRM = {"dyno_crm.pipeline_stage", "dyno_crm.deal_pipeline_stage_state"}
_MADE = re.compile(
    r"((?:^--[^\n]*\n)*)^create (?:or replace )?(?:table|view) (?:if not exists )?(\w+\.\w+)(.*?)^(?=\)|\S[^\n]*;)",
    re.MULTILINE | re.DOTALL,
)
_COLUMN = re.compile(r"((?:^    --[^\n]*\n)+)^    (\w+) ", re.MULTILINE)
INTRODUCTION = """\
Programs may read `dyno_crm`. The schema `funnelproof` is funnelproof's own: its tables may change with every
version, and only funnelproof writes to them. [Requirements](../requirements.md#the-tables-of-the-crm) has the
CRM's two tables. A column with *null* may be empty; *key* is a part of the primary key."""
PUBLIC = "dyno_crm."
PAGE = "funnelproof.web_"
PAGE_TEXT = "Views for the role `funnelproof_web`: each shows the tenants that the session has named, or all."


@dataclass(frozen=True)
class Relation:
    """A table or a view with its columns."""

    name: str
    is_view: bool
    columns: Sequence[Record]


async def read_relations(connection: Connection) -> Sequence[Relation]:
    """Return the tables and views of a migrated database, without those of the CRM."""
    rows = await connection.fetch(STATEMENT)
    grouped = groupby(rows, lambda row: (f"{row['schema_name']}.{row['relation_name']}", row["is_view"]))
    relations = [Relation(name, is_view, list(columns)) for (name, is_view), columns in grouped]
    return [each for each in relations if each.name not in CRM]


def tables_page(relations: Sequence[Relation]) -> str:
    """Return the page."""
    comments = _comments()
    public = [each for each in relations if each.name.startswith(PUBLIC)]
    of_page = [each for each in relations if each.is_view and each.name.startswith(PAGE)]
    own = [each for each in relations if each not in [*public, *of_page]]
    return page(
        "Tables and views",
        INTRODUCTION,
        "## What programs read",
        *(part for each in public for part in _section(each, *_meanings(each, comments))),
        "## What funnelproof keeps",
        *(part for each in own for part in _section(each, *_meanings(each, comments))),
        "## What the page reads",
        PAGE_TEXT,
        *(part for each in of_page for part in _section(each, *_meanings(each, comments))),
    )


def _meanings(
    relation: Relation, comments: Mapping[str, tuple[str, Mapping[str, str]]]
) -> tuple[str, Mapping[str, str]]:
    """Return the meaning of a relation, and those of its columns. Raises KeyError for a table without one."""
    comment, columns = comments.get(relation.name, ("", {}))
    if not comment and not relation.name.startswith(PAGE):
        comment = MEANINGS["relations"][relation.name]
    if relation.name.startswith(PUBLIC):
        columns = {row["column_name"]: MEANINGS["columns"][row["column_name"]] for row in relation.columns}
    return comment, columns


def _section(relation: Relation, meaning: str, columns: Mapping[str, str]) -> Iterator[str]:
    yield f"### {relation.name}"
    yield (("View. " if relation.is_view else "") + meaning).strip()
    head, rows = (
        ["column", "form"],
        [[code(row["column_name"]), _form(row, relation)] for row in relation.columns],
    )
    if columns:
        head.append("meaning")
        for row, column in zip(rows, relation.columns, strict=True):
            row.append(columns.get(column["column_name"], ""))
    yield table(head, rows)


def _form(row: Record, relation: Relation) -> str:
    form = row["form"].replace("timestamp with time zone", "timestamptz")
    if row["is_key"]:
        return f"{form}, key"
    return form if row["is_required"] or relation.is_view else f"{form}, null"


def _comments() -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Return the comment above each table and view, and those above columns; a later migration's comment counts."""
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for migration in known_migrations():
        for comment, name, body in _MADE.findall(migration.text):
            columns = {column: _plain(above) for above, column in _COLUMN.findall(body)}
            former, former_columns = found.get(name, ("", {}))
            found[name] = (_plain(comment) or former, {**former_columns, **columns})
    return found


def _plain(comment: str) -> str:
    lines = (line.strip().removeprefix("--").strip() for line in comment.splitlines())
    return " ".join(line for line in lines if not line.startswith("touches "))
