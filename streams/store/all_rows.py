"""Tables with row security, read whole or not at all: a hidden row would look deleted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from streams.errors import PreconditionError
from streams.store.database import Connection


@asynccontextmanager
async def all_rows(source: Connection, role: str) -> AsyncIterator[None]:
    """Have Postgres refuse to read a table for the rest of the transaction, where row security would hide rows.

    Raises PreconditionError for a refusal; `role` names the session's role to a person.
    """
    await source.execute("set local row_security = off")
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise PreconditionError(f"{role} may not read all rows: {error}") from error
