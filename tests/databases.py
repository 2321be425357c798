"""Databases that tests use one after the other: making one takes longer than most tests.

A database is given on only if the next test cannot tell it from a new clone of the template: the catalogs are as they
were, nothing outside the tables belongs to it, and it is small. Its rows are deleted, its sequences begin anew.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from tests.servers import new_database

USES = 30
"""Tests that use a database before a new one takes its place: deleted rows leave pages behind."""
GROWTH = 4_000_000
"""Bytes by which a database may grow before a new one takes its place."""
KEPT = "funnelproof.schema_migration"
"""The only table of the template with rows."""
CATALOGS = (
    "attrdef, attribute, class, constraint, default_acl, description, index, inherits, policy, proc, publication, "
    "publication_namespace, publication_rel, rewrite, sequence, trigger, type, "
    "namespace where nspname !~ '^pg_(toast_)?temp'"
)
# A row that is changed gets a higher xmin, a row that goes is missing in the count.
COUNT = "(select concat(count(*), '/', max(xmin::text::bigint)) from pg_catalog.pg_{})"
SHAPE = (
    "select concat_ws(' ', {}, (select md5(string_agg(kept::text, '' order by kept::text)) from {} as kept))"
)
BELONGINGS = """
select
    (select count(*) from pg_replication_slots where database = current_database())
    + (select count(*) from pg_prepared_xacts where database = current_database())
    + (select count(*) from pg_db_role_setting where setdatabase = base.oid)
    + (select count(*) from pg_subscription where subdbid = base.oid)
    + (select count(*) from pg_shdepend where dbid = base.oid and deptype = 'a') as others,
    base.datacl::text as rights,
    pg_database_size(base.oid) as size
from pg_database as base
where base.datname = current_database()
"""
END_SESSIONS = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
EMPTY = """
set session_replication_role = replica;
do $$
declare
    each regclass;
begin
    for each in
        select relation.oid from pg_class as relation
        where relation.relkind = 'r'
        and relation.relnamespace in ('dyno_crm'::regnamespace, 'funnelproof'::regnamespace)
        and relation.oid <> '{}'::regclass and pg_relation_size(relation.oid) > 0
    loop
        execute format('delete from %s', each);
    end loop;
    perform setval(seqrelid::regclass, seqstart, false) from pg_sequence;
end
$$
"""


@dataclass(frozen=True)
class Marks:
    """What tells a used database from a new one."""

    shape: str
    others: int
    rights: str | None
    size: int


@dataclass
class Clone:
    """A database, and how often it was used."""

    dsn: str
    new: Marks
    stack: AsyncExitStack
    uses: int = 0


class Databases:
    """Clones of a template; `one` gives a test a database of its own for as long as the block lasts."""

    def __init__(self, admin_dsn: str, template: str) -> None:
        self._admin_dsn = admin_dsn
        self._template = template
        self._free: list[Clone] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[str]:
        """Give the address of an empty database."""
        clone = self._free.pop() if self._free else await self._make()
        try:
            yield clone.dsn
        finally:
            clone.uses += 1
            if clone.uses < USES and await _cleared(clone):
                self._free.append(clone)
            else:
                await clone.stack.aclose()

    async def close(self) -> None:
        """Drop the databases."""
        while self._free:
            await self._free.pop().stack.aclose()

    async def _make(self) -> Clone:
        stack = AsyncExitStack()
        dsn = await stack.enter_async_context(new_database(self._admin_dsn, self._template))
        connection = await asyncpg.connect(dsn)
        try:
            return Clone(dsn, await _marks(connection), stack)
        finally:
            await connection.close()


async def _marks(connection: "asyncpg.Connection[asyncpg.Record]") -> Marks:
    counts = ", ".join(COUNT.format(each) for each in CATALOGS.split(", "))
    row = await connection.fetchrow(BELONGINGS)
    assert row is not None
    return Marks(
        await connection.fetchval(SHAPE.format(counts, KEPT)), row["others"], row["rights"], row["size"]
    )


async def _cleared(clone: Clone) -> bool:
    """Empty a used database; return False if the next test could tell it from a new one."""
    try:
        connection = await asyncpg.connect(clone.dsn)
    except (OSError, asyncpg.PostgresError):  # the test has dropped it, or forbidden it
        return False
    try:
        await connection.execute(END_SESSIONS)
        now = await _marks(connection)
        if (now.shape, now.others, now.rights) != (clone.new.shape, clone.new.others, clone.new.rights):
            return False
        if now.size > clone.new.size + GROWTH:
            return False
        await connection.execute(EMPTY.format(KEPT))
    except asyncpg.PostgresError:
        return False
    else:
        return True
    finally:
        await connection.close()
