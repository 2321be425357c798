"""Connections to Postgres. An error names the address, without the password, and the setting of the address."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import asyncpg

from streams.dsn import Dsn
from streams.errors import UnreachableError
from streams.settings import Settings
from streams.store.connecting import DRIVERS_ERRORS, explain

if TYPE_CHECKING:  # asyncpg's classes are generic for the type checker only
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    OwnConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = OwnConnection = asyncpg.Connection
    Pool = asyncpg.Pool

SOURCE_SETTING = "FUNNELPROOF_SOURCE_DSN"
REPORT_SETTING = "FUNNELPROOF_REPORT_DSN"
REPLICA_SETTING = "FUNNELPROOF_REPLICA_DSN"
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
ROWS_AT_ONCE = 4000
"""Rows of a large result that are in memory at once: one or two megabytes."""
STATEMENT_SECONDS = 60.0
"""The most seconds of a worker's statement: a worker notices a server that vanishes without a word."""


async def connect(
    dsn: str, setting: str, *, application_name: str = "funnelproof", command_timeout: float | None = None
) -> OwnConnection:
    """Open a connection whose session uses UTC.

    `setting` is the full name of the setting with `dsn`. `command_timeout` (seconds) bounds each statement, even after
    the server has vanished without a word. Raises UnreachableError if no usable answer comes within ten seconds;
    the error names the address and the setting. Raises SettingsError if `dsn` is not a usable postgresql:// URL.
    """
    try:
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=command_timeout,
            server_settings=_session_settings(application_name),
        )
    except DRIVERS_ERRORS as error:
        raise explain(
            error, dsn, setting, CONNECT_SECONDS
        ) from None  # the driver's error may quote the password


async def connect_to_source(
    settings: Settings, role: str, *, statement_seconds: float | None = STATEMENT_SECONDS
) -> OwnConnection:
    """Open a connection to the CRM's database, under the instance's name and `role`, for work without an end.

    `statement_seconds` bounds each statement; None is no bound. Raises as `connect` does.
    """
    return await connect(
        settings.source_dsn,
        SOURCE_SETTING,
        application_name=f"{settings.instance} {role}",
        command_timeout=statement_seconds,
    )


async def create_pool(
    dsn: str,
    setting: str,
    *,
    min_size: int = 1,
    max_size: int = 4,
    application_name: str = "funnelproof",
    command_timeout: float | None = None,
) -> Pool:
    """Open a pool of connections like a connection of `connect`, with equal errors. The caller closes the pool."""
    try:
        return await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            timeout=CONNECT_SECONDS,
            command_timeout=command_timeout,
            server_settings=_session_settings(application_name),
        )
    except DRIVERS_ERRORS as error:
        raise explain(error, dsn, setting, CONNECT_SECONDS) from None


async def close_soon(owned: Pool | OwnConnection) -> None:
    """Close a pool or a connection; terminate `owned` if the server does not answer within CLOSE_SECONDS."""
    try:
        await asyncio.wait_for(owned.close(), CLOSE_SECONDS)
    except DRIVERS_ERRORS:
        owned.terminate()


def source_connection(settings: Settings) -> AbstractAsyncContextManager[OwnConnection]:
    """Hold a connection to the CRM's database. Raises as `connect` does, even later if the server goes away."""
    return _held(settings.source_dsn, SOURCE_SETTING)


def facts_connection(settings: Settings) -> AbstractAsyncContextManager[OwnConnection]:
    """Hold a connection to the facts' database. Raises as `connect` does, even later if the server goes away."""
    return _held(settings.facts_dsn, facts_setting(settings))


def facts_setting(settings: Settings) -> str:
    """Return the name of the setting with the address of the facts' database."""
    return SOURCE_SETTING if settings.report_dsn is None else REPORT_SETTING


def address(dsn: str) -> str:
    """Return the host, port and database of `dsn` as text, never the user or the password."""
    try:
        return Dsn.parse(dsn).address
    except ValueError:
        return "an unreadable address"


def columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Return the columns of rows of equal length: arguments for `unnest` in a statement."""
    return [list(column) for column in zip(*rows, strict=True)]


async def fetch_in_batches(
    connection: Connection,
    take: Callable[[Sequence[asyncpg.Record]], object],
    statement: str,
    *arguments: object,
) -> None:
    """Give the rows of a large result to `take`, some at once: all rows together would need a lot of memory."""
    async with connection.transaction():
        cursor = await connection.cursor(statement, *arguments)
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            take(rows)


def plain_uuid(identifier: UUID) -> UUID:
    """Return an identifier as Python's own type: asyncpg has a type of its own, which msgspec cannot encode."""
    return UUID(int=identifier.int)


@asynccontextmanager
async def _held(dsn: str, setting: str) -> AsyncIterator[OwnConnection]:
    connection = await connect(dsn, setting)
    try:
        yield connection
    except DRIVERS_ERRORS as error:
        if not connection.is_closed():
            raise
        lost = f"the connection to Postgres at {address(dsn)} ({setting}) was lost: run this again when it is back"
        raise UnreachableError("; ".join([lost, *getattr(error, "__notes__", [])])) from error
    finally:
        await close_soon(connection)  # a server that stands still answers no goodbye


def _session_settings(application_name: str) -> dict[str, str]:
    return {
        "application_name": application_name,
        "timezone": "UTC",
        # A process paused within a transaction must not hold the transaction's locks for the whole pause.
        "idle_in_transaction_session_timeout": "15s",
    }
