"""Rows of the stage table, read from the source as they are now."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from streams.cdc.restatement import SourceRow
from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import Connection


async def read_rows(
    source: Connection, ids: Sequence[UUID], deals: Sequence[UUID] = ()
) -> dict[UUID, SourceRow]:
    """Return the rows with these ids, and all rows of these deals, by id; a deleted row is missing.

    Raises PreconditionError if row security could hide rows from the role: a hidden row would look deleted.
    """
    try:
        async with source.transaction(readonly=True):
            # Postgres then refuses instead of hiding rows.
            await source.execute("set local row_security = off")
            rows = await source.fetch(sql("queries/repair/rows_now"), list(ids), list(deals))
    except asyncpg.InsufficientPrivilegeError as error:
        raise PreconditionError(
            f"the role of FUNNELPROOF_SOURCE_DSN may not read all rows: {error}"
        ) from error
    return {row["id"]: SourceRow(**row) for row in rows}
