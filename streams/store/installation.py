"""The installation: the instance that owns a report database, and the time of the first migration."""

from datetime import datetime

import asyncpg

from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import Connection
from streams.store.migrations import Migration, migrate


async def install(
    source: Connection, facts: Connection, instance: str, *, dry_run: bool = False
) -> list[Migration]:
    """Apply missing migrations, give the roles their privileges, register the installation; return the migrations.

    With `dry_run` only return the migrations. Roles other than those of `sql/roles.sql` get nothing.
    """
    migrations = await migrate(facts, dry_run=dry_run)
    if not dry_run:
        await facts.execute(sql("queries/store/grants"))
        await register_installation(facts, instance, await source.fetchval("select clock_timestamp()"))
    return migrations


async def register_installation(facts: Connection, instance: str, source_time: datetime) -> None:
    """Register the instance, installed at `source_time`: earlier windows are historic. Later calls change nothing.

    Raises PreconditionError if the database already holds the facts of another instance.
    """
    await facts.execute(sql("queries/store/installation_register"), instance, source_time)
    await require_installation(facts, instance)


async def require_installation(facts: Connection, instance: str) -> datetime:
    """Return the time of the instance's installation.

    Raises PreconditionError if the database lacks a migration of this program, has a migration of a newer program, or
    holds the facts of another instance.
    """
    try:
        row = await facts.fetchrow(sql("queries/store/installation"))
    except asyncpg.UndefinedTableError:
        row = None
    if row is None:
        raise PreconditionError("the report database is not set up: run `funnelproof migrate`")
    if row["instance"] != instance:
        raise PreconditionError(
            f"this report database belongs to the instance {row['instance']!r}, not to {instance!r}: "
            "give each instance a database of its own with FUNNELPROOF_REPORT_DSN, or set FUNNELPROOF_INSTANCE"
        )
    if missing := await migrate(facts, dry_run=True):
        raise PreconditionError(
            f"the report database lacks migration {missing[0]} of this version: stop all workers, "
            "then run `funnelproof migrate`"
        )
    installed_at: datetime = row["installed_at"]
    return installed_at
