import asyncpg

from reference.tables import CRM, read_relations, tables_page
from tests.unit.docs.pages import DOCS

PAGE = DOCS / "reference" / "tables.md"
COLUMNS = """
select concat(table_schema, '.', table_name), column_name
from information_schema.columns
where table_schema in ('dyno_crm', 'funnelproof')
"""


async def test_the_page_of_tables_is_what_a_migrated_database_has(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        made = tables_page(await read_relations(connection))
        columns = await connection.fetch(COLUMNS)
    finally:
        await connection.close()
    assert PAGE.read_text("utf-8") == made, "run `make reference`"
    assert len(columns) > 400
    assert [
        (relation, column)
        for relation, column in columns
        if relation not in CRM
        and f"| `{column}` |" not in made.partition(f"### {relation}\n")[2].partition("\n#")[0]
    ] == []
