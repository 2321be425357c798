"""Writes every page of the reference anew, on the PostgreSQL of the tests."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncpg

from reference.api import api_page
from reference.commands import commands_page
from reference.errors import errors_page
from reference.metrics import metrics_page
from reference.settings import settings_page
from reference.tables import Relation, read_relations, tables_page
from reference.topics import topics_page
from streams.resources import sql
from streams.store.migrations import migrate
from tests.servers import new_database, running_servers

DOCS = Path(__file__).parent.parent / "docs"
REFERENCE = DOCS / "reference"
SETTINGS = DOCS / "settings.md"
PAGES: Mapping[Path, Callable[[], str]] = {
    REFERENCE / "api.md": api_page,
    REFERENCE / "commands.md": commands_page,
    REFERENCE / "errors.md": errors_page,
    REFERENCE / "metrics.md": metrics_page,
    REFERENCE / "topics.md": topics_page,
    SETTINGS: lambda: settings_page(SETTINGS.read_text("utf-8")),
}
"""The pages that need no server, each with the function that makes the text."""


async def relations(admin_dsn: str) -> list[Relation]:
    """Return the tables and views of a new database, which is dropped at the end."""
    async with new_database(admin_dsn, "template0") as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(sql("local/crm"))
            await migrate(connection)
            return list(await read_relations(connection))
        finally:
            await connection.close()


def main() -> None:
    """Write the pages."""
    for path, make in PAGES.items():
        path.write_text(make(), "utf-8")
    with running_servers() as servers:
        found = asyncio.run(relations(servers.postgres_dsn))
    (REFERENCE / "tables.md").write_text(tables_page(found), "utf-8")


if __name__ == "__main__":
    main()
