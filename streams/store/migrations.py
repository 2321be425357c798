"""The schema, brought up to date: each `sql/migrations/NNNN_name.sql` runs once, in order, in a transaction.

A migration's head lists the effects on the CRM's schema, with a line for each object:
`-- touches dyno_crm.report_run: the effect`.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from streams.errors import PreconditionError
from streams.resources import sql, sql_names
from streams.store.database import Connection
from streams.store.refusals import remedy_of

_FILE_NAME = re.compile(r"(\d{4})_(\w+)")
_TOUCHES = re.compile(r"^-- touches (dyno_crm\.\w+: .+)$", re.MULTILINE)
# A migration that waits for a table's lock makes the CRM's later statements on the table wait, too.
_LOCK_TIMEOUT = "5s"


@dataclass(frozen=True)
class Migration:
    """One step of the schema: `sql/migrations/<version>_<name>.sql`."""

    version: int
    name: str
    text: str = field(repr=False)

    @property
    def checksum(self) -> str:
        """The SHA-256 of the text, in hexadecimal: reveals a later edit."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def touches(self) -> tuple[str, ...]:
        """The effects on the CRM's schema, each as `dyno_crm.object: effect`."""
        return tuple(_TOUCHES.findall(self.text))

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}"


def known_migrations() -> list[Migration]:
    """Return the migrations that ship with the program, in order."""
    found = ((_FILE_NAME.fullmatch(name), name) for name in sql_names("migrations"))
    return [Migration(int(match[1]), match[2], sql(f"migrations/{name}")) for match, name in found if match]


async def migrate(
    connection: Connection, *, dry_run: bool = False, known: Sequence[Migration] | None = None
) -> list[Migration]:
    """Apply and return the migrations that the database lacks, in order; with `dry_run` only return the migrations.

    Safe to run twice, and safe in several processes at once: a single process works, and the processes that waited
    find no work left. Migrations applied before a failure stay applied. Raises PreconditionError if the database
    belongs to a newer program, an applied migration was edited, a table is in use, `connection` is in a transaction,
    or the role may not change the schema.
    """
    known = known_migrations() if known is None else known
    if connection.is_in_transaction():
        raise PreconditionError(
            "migrate needs a connection of its own: this one is in a transaction; end it first"
        )
    if dry_run:
        return _pending(known, await _applied(connection))
    async with _alone(connection):
        pending = _pending(known, await _applied(connection))
        for migration in pending:
            await _apply(connection, migration)
    return pending


async def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    """Return the name and checksum of every applied migration, by version; empty before the first migration."""
    try:
        if not await connection.fetchval("select to_regclass('funnelproof.schema_migration') is not null"):
            return {}
        rows = await connection.fetch(sql("queries/store/migration_applied"))
    except asyncpg.InsufficientPrivilegeError as error:
        raise PreconditionError(f"{error}: run `funnelproof migrate` as the owner of the schema") from error
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


def _pending(known: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    newer = sorted(applied.keys() - {migration.version for migration in known})
    if newer:
        raise PreconditionError(
            f"the database has migration {newer[-1]:04}_{applied[newer[-1]][0]}, which this funnelproof "
            "does not know: it was migrated by a newer one; upgrade this one"
        )
    for migration in known:
        _, checksum = applied.get(migration.version, ("", migration.checksum))
        if checksum != migration.checksum:
            raise PreconditionError(
                f"migration {migration} was edited after this database had it: put its file back as it was, "
                "and write the change as a new migration"
            )
    return [migration for migration in known if migration.version not in applied]


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """Hold the lock that lets a single process at a time migrate the database."""
    key = "hashtextextended('funnelproof.migrate', 0)"
    await connection.execute(f"select pg_advisory_lock({key})")
    try:
        yield
    finally:
        if not connection.is_closed():  # a closed session holds no lock
            await connection.execute(f"select pg_advisory_unlock({key})")


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
            await connection.execute(sql("queries/store/migration_ledger"))
            await connection.execute(migration.text)
            await connection.execute(
                sql("queries/store/migration_record"), migration.version, migration.name, migration.checksum
            )
    except asyncpg.LockNotAvailableError:
        raise PreconditionError(
            f"migration {migration} waited {_LOCK_TIMEOUT} for a table that a transaction holds: nothing "
            "of it was kept; run `funnelproof migrate` again when that transaction has ended"
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise PreconditionError(
            f"migration {migration} needs a role that may do it ({error}): nothing of it was kept; "
            "run `funnelproof migrate` as the owner of the schema"
        ) from error
    except asyncpg.PostgresError as error:
        raise PreconditionError(
            f"migration {migration} does not fit this database ({error}): nothing of it was kept: {remedy_of(error)}"
        ) from error
