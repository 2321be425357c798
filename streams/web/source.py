"""Reading transactions on the CRM's database, or on a replica of the database: for the deals behind a number."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from streams.errors import one_line
from streams.resources import sql
from streams.settings import PREFIX, Settings
from streams.store.database import Pool, address, close_soon, create_pool
from streams.web.database import AWAY, STATEMENT_SECONDS, Reading, silent
from streams.web.errors import SilentDatabaseError
from streams.web.observed import Observer, Unobserved

DEALS_SETTING = f"{PREFIX}DEALS_DSN"
CONNECTIONS = 2
"""The most sessions on the CRM's database: people who look at deals wait for each other, and not the CRM for them."""
INDEX = "create index concurrently on dyno_crm.deal_pipeline_stage_state (tenant_id, pipeline_id, entered_at)"
_REMEDY = f"ask for a shorter window, or have the CRM's database make an index: {INDEX}"
_LACKS = (
    asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
)  # fmt: skip


@dataclass(frozen=True)
class SourceReading:
    """One transaction: all statements see the same rows. `canonical` are the statements of `sql/canonical/`.

    `now` is the server's clock at the beginning. A replica may be behind the CRM.
    """

    canonical: Reading
    queries: Reading
    now: datetime
    is_replica: bool


class Source:
    """The CRM's database as the page sees the database. Made without a connection: the database may be away."""

    def __init__(self, pool: Pool, place: str, observer: Observer) -> None:
        self._pool = pool
        self.place = place
        self._observer = observer

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[SourceReading]:
        """Hold a read-only snapshot. Raises SilentDatabaseError without an answer, or without the right to read."""
        what = f"the CRM's database at {self.place} ({DEALS_SETTING})"
        try:
            async with (
                self._pool.acquire(timeout=STATEMENT_SECONDS) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                row = await connection.fetchrow(sql("queries/web/deals_scope"), f"{STATEMENT_SECONDS}s")
                assert row is not None  # noqa: S101 - the statement always returns one row
                yield SourceReading(
                    Reading(connection, self._observer, "canonical", _REMEDY),
                    Reading(connection, self._observer, remedy=_REMEDY),
                    row["now"],
                    row["is_replica"],
                )
        except SilentDatabaseError:  # a slow statement
            self._observer.count_failure("crm", "slow")
            raise
        except _LACKS as error:
            self._observer.count_failure("crm", "refused")
            raise SilentDatabaseError(
                f"{what} shows no deals ({one_line(error)}): run sql/roles.sql there, then "
                "`grant funnelproof_deals to` the user of the setting"
            ) from error
        except AWAY as error:
            self._observer.count_failure("crm", "silent")
            raise silent(what, error) from error


@asynccontextmanager
async def open_source(settings: Settings, observer: Observer | None = None) -> AsyncIterator[Source | None]:
    """Have the CRM's database for deals; None without the setting. Nothing connects before the first look at deals."""
    if settings.deals_dsn is None:
        yield None
        return
    pool = await create_pool(
        settings.deals_dsn,
        DEALS_SETTING,
        min_size=0,
        max_size=CONNECTIONS,
        application_name=f"{settings.instance} deals",
        command_timeout=2 * STATEMENT_SECONDS,
    )
    try:
        yield Source(pool, address(settings.deals_dsn), observer or Unobserved())
    finally:
        await close_soon(pool)
