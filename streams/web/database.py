"""Reading transactions on the report database, each within the tenants of one reader."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from streams.errors import one_line
from streams.resources import sql
from streams.settings import PREFIX, Settings
from streams.store.database import Connection, Pool, address, close_soon, create_pool, facts_setting
from streams.web.errors import SilentDatabaseError
from streams.web.scope import Scope

STATEMENT_SECONDS = 5
"""The most seconds of a statement; a slower statement is ended, and the answer names the statement."""
_CONNECTIONS = 8
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_NOT_MIGRATED = (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError)


Row = dict[str, Any]


class Reading:
    """One transaction: statements of `sql/queries/web/` that all see the same rows of the same tenants."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, name: str, *arguments: object) -> list[Row]:
        """Run the statement `name`. Raises SilentDatabaseError if the statement takes more than STATEMENT_SECONDS."""
        try:
            return [dict(row) for row in await self._connection.fetch(sql(f"queries/web/{name}"), *arguments)]
        except asyncpg.QueryCanceledError:
            raise SilentDatabaseError(
                f"the statement {name} took more than {STATEMENT_SECONDS} s and was ended: ask for less, or ask later"
            ) from None

    async def row(self, name: str, *arguments: object) -> Row | None:
        """Run the statement `name`, and return the first row. Raises as `rows` does."""
        return next(iter(await self.rows(name, *arguments)), None)


class Database:
    """The report database as the page sees the database. Made without a connection: the database may be away."""

    def __init__(self, pool: Pool, place: str) -> None:
        self._pool = pool
        self._place = place

    @asynccontextmanager
    async def reading(self, scope: Scope) -> AsyncIterator[Reading]:
        """Hold a read-only snapshot with the rows of `scope`. Raises SilentDatabaseError without an answer."""
        try:
            async with (
                self._pool.acquire(timeout=STATEMENT_SECONDS) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await connection.execute(sql("queries/web/scope"), scope.setting, f"{STATEMENT_SECONDS}s")
                yield Reading(connection)
        except _NOT_MIGRATED as error:
            raise SilentDatabaseError(
                f"the report database at {self._place} lacks what the page reads ({one_line(error)}): "
                "run `funnelproof migrate`"
            ) from error
        except _AWAY as error:
            reason = (
                f"no answer within {STATEMENT_SECONDS} s"
                if isinstance(error, TimeoutError)
                else one_line(error)
            )
            raise SilentDatabaseError(
                f"the report database at {self._place} gives no answer: {reason}"
            ) from error


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Have the report database for the page; a connection is made when the first request needs one."""
    dsn, setting = settings.facts_dsn, facts_setting(settings)
    if settings.dashboard_dsn is not None:
        dsn, setting = settings.dashboard_dsn, f"{PREFIX}DASHBOARD_DSN"
    pool = await create_pool(
        dsn,
        setting,
        min_size=0,
        max_size=_CONNECTIONS,
        application_name=f"{settings.instance} dashboard",
        command_timeout=2 * STATEMENT_SECONDS,
    )
    try:
        yield Database(pool, address(dsn))
    finally:
        await close_soon(pool)
