"""Rows of the stage table, read from the source as they are now."""

from collections.abc import Sequence
from uuid import UUID

from streams.cdc.restatement import SourceRow
from streams.resources import sql
from streams.store.all_rows import all_rows
from streams.store.database import Connection


async def read_rows(
    source: Connection, ids: Sequence[UUID], deals: Sequence[UUID] = ()
) -> dict[UUID, SourceRow]:
    """Return the rows with these ids, and all rows of these deals, by id; a deleted row is missing.

    Raises PreconditionError if row security could hide rows from the role: a hidden row would look deleted.
    """
    async with source.transaction(readonly=True), all_rows(source, "the role of FUNNELPROOF_SOURCE_DSN"):
        rows = await source.fetch(sql("queries/repair/rows_now"), list(ids), list(deals))
    return {row["id"]: SourceRow(**row) for row in rows}
