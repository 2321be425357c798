"""The check that a session is the client's alone: a pooler before Postgres may lend a session to several clients.

A worker's session holds advisory locks and prepared statements. PgBouncer keeps both for a client in session pooling;
in transaction pooling the next transaction of a client may run in another session.
"""

from uuid import uuid4

import asyncpg

from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import OwnConnection, address, close_soon, connect

_SHARED_STATEMENTS = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)


async def require_own_sessions(dsn: str, setting: str) -> None:
    """Raise PreconditionError if two connections to `dsn` share a session of Postgres.

    `setting` is the full name of the setting with `dsn`. Raises as `connect` does.
    """
    first = await connect(dsn, setting)
    try:
        if await _has_no_pooler(first):
            return
        second = await connect(dsn, setting)
        try:
            shared = await _share_a_session(first, second)
        finally:
            await close_soon(second)
    except _SHARED_STATEMENTS:
        shared = True
    finally:
        await close_soon(first)
    if shared:
        raise PreconditionError(
            f"the pooler at {address(dsn)} ({setting}) lends one session of Postgres to several clients, but workers "
            "hold locks in their sessions: set pool_mode = session in PgBouncer, or connect past the pooler"
        )


async def _has_no_pooler(connection: OwnConnection) -> bool:
    """Return True if Postgres itself gave the process id at the start: a pooler gives a number of its own."""
    behind: int = await connection.fetchval("select pg_backend_pid()")
    return connection.get_server_pid() == behind


async def _share_a_session(first: OwnConnection, second: OwnConnection) -> bool:
    """Return True if `second` sees a variable of the session of `first`; PgBouncer lends the session used last."""
    token = uuid4().hex
    await first.execute(sql("queries/store/session_mark"), token)
    return bool(await second.fetchval(sql("queries/store/session_mark_seen")) == token)
