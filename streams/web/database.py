"""Reading transactions on the report database, each within the tenants of one reader."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from streams.errors import one_line
from streams.resources import sql
from streams.settings import PREFIX, Settings
from streams.store.database import Connection, Pool, address, close_soon, create_pool, facts_setting
from streams.web.errors import SilentDatabaseError
from streams.web.memory import STABLE, Key, Memory
from streams.web.observed import Observer, Unobserved
from streams.web.scope import Scope

STATEMENT_SECONDS = 5
"""The most seconds of a statement; a slower statement is ended, and the answer names the statement."""
_CONNECTIONS = 8
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The errors of a database that does not answer."""
_NOT_MIGRATED = (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError)


Row = dict[str, Any]


class Reading:
    """One transaction: statements that all see the same rows of the same tenants.

    The statements are those of a folder of `sql/`. `remedy` says what to do about a slow statement.
    A statement is asked once: the snapshot gives the same rows again. With a memory, rows are kept beyond the reading.
    """

    def __init__(
        self,
        connection: Connection,
        observer: Observer,
        folder: str = "queries/web",
        remedy: str = "ask for less, or ask later",
    ) -> None:
        self._connection = connection
        self._observer = observer
        self._folder = folder
        self._remedy = remedy
        self._memory: Memory | None = None
        self._answers: dict[Key, list[Row]] = {}

    def remember(self, memory: Memory) -> None:
        """Take the rows of stable statements from `memory`, which has turned to this snapshot, and keep rows there."""
        self._memory = memory

    async def rows(self, name: str, *arguments: object) -> list[Row]:
        """Run the statement `name`. Raises SilentDatabaseError if the statement takes more than STATEMENT_SECONDS."""
        kept = self._answers if self._memory is None or name not in STABLE else self._memory.rows
        key = name, repr(arguments)
        if key not in kept:
            kept[key] = await self._ask(name, arguments)
        return kept[key]

    async def _ask(self, name: str, arguments: tuple[object, ...]) -> list[Row]:
        statement = sql(f"{self._folder}/{name}")
        began = time.monotonic()
        try:
            return [dict(row) for row in await self._connection.fetch(statement, *arguments)]
        except asyncpg.QueryCanceledError:
            raise SilentDatabaseError(
                f"the statement {name} took more than {STATEMENT_SECONDS} s and was ended: {self._remedy}"
            ) from None
        finally:
            self._observer.count_statement(name, time.monotonic() - began)

    async def row(self, name: str, *arguments: object) -> Row | None:
        """Run the statement `name`, and return the first row. Raises as `rows` does."""
        return next(iter(await self.rows(name, *arguments)), None)


class Database:
    """The report database as the page sees the database. Made without a connection: the database may be away."""

    def __init__(self, pool: Pool, place: str, observer: Observer) -> None:
        self._pool = pool
        self.name = f"the report database at {place}"
        self._observer = observer

    @asynccontextmanager
    async def reading(self, scope: Scope) -> AsyncIterator[Reading]:
        """Hold a read-only snapshot with the rows of `scope`. Raises SilentDatabaseError without an answer."""
        try:
            async with (
                self._pool.acquire(timeout=STATEMENT_SECONDS) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await connection.execute(sql("queries/web/scope"), scope.setting, f"{STATEMENT_SECONDS}s")
                yield Reading(connection, self._observer)
        except SilentDatabaseError:  # a slow statement
            self._observer.count_failure("report", "slow")
            raise
        except _NOT_MIGRATED as error:
            self._observer.count_failure("report", "refused")
            raise SilentDatabaseError(
                f"{self.name} lacks what the page reads ({one_line(error)}): run `funnelproof migrate`"
            ) from error
        except AWAY as error:
            self._observer.count_failure("report", "silent")
            raise silent(self.name, error) from error


def silent(what: str, error: Exception) -> SilentDatabaseError:
    """Return the error about a database that is away, with the reason."""
    is_slow = isinstance(error, TimeoutError)
    return SilentDatabaseError(
        f"{what} gives no answer: {f'no answer within {STATEMENT_SECONDS} s' if is_slow else one_line(error)}"
    )


@asynccontextmanager
async def open_database(settings: Settings, observer: Observer | None = None) -> AsyncIterator[Database]:
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
        yield Database(pool, address(dsn), observer or Unobserved())
    finally:
        await close_soon(pool)
