"""The objects that an installation has in the CRM's database: publication, truncate trigger, replication slot.

Example: `connector apply` makes the publication `funnelproof` for the stage table alone, and the trigger that turns a
truncate into deletes. Debezium makes the slot `funnelproof` when the connector first starts.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from streams.domain.capture import TABLE
from streams.errors import PreconditionError
from streams.resources import sql

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

SLOT, PUBLICATION, TRIGGER, FUNCTION = "replication slot", "publication", "trigger", "function"
_LOOK_SECONDS = 0.2
_LOOKS = 100
# A change of the trigger waits for the table's writers, and later writers wait meanwhile.
_LOCK_TIMEOUT = "5s"


@dataclass(frozen=True)
class SourceObject:
    """A slot, a publication, a trigger or a trigger's function, as found in the CRM's database.

    `is_right`: as the capture needs the object. `is_own`: no other program or installation rests on the object.
    `may_drop`: the session's role may run `statement`, which drops the object. `detail` says what the object is for.
    `active` tells of a slot if a connector reads the slot at this moment.
    """

    kind: str
    name: str
    is_right: bool
    is_own: bool
    may_drop: bool
    statement: str
    detail: str
    active: bool | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


async def read_objects(connection: "Connection", instance: str) -> Sequence[SourceObject]:
    """Return the existing objects of the instance, in the order in which the objects are removed."""
    body = sql("queries/cdc/source_truncate_trigger").split("$$")[1]
    rows = await connection.fetch(sql("queries/cdc/source_objects"), instance, body)
    return [SourceObject(**row) for row in rows]


async def read_slot(connection: "Connection", instance: str) -> SourceObject | None:
    """Return the instance's replication slot; None if the slot is missing."""
    return next((each for each in await read_objects(connection, instance) if each.kind == SLOT), None)


async def reading(connection: "Connection", instance: str) -> str | None:
    """Return `changes` or `snapshot` for what the connector reads; None if the connector reads nothing.

    `snapshot` means: Debezium holds a session. Connect's note tells if the session takes the first snapshot.
    """
    found: str | None = await connection.fetchval(sql("queries/cdc/source_reader"), instance)
    return found


async def require_reader(connection: "Connection", role: str) -> None:
    """Raise PreconditionError, with the statements that mend it, if the connector's role could not follow the table."""
    if statements := await connection.fetchval(sql("queries/cdc/source_reader_rights"), role):
        raise PreconditionError(
            f"the connector's role {role} (FUNNELPROOF_CDC_DSN) may not follow {TABLE}: {statements}"
        )


def require_own(objects: Sequence[SourceObject]) -> None:
    """Raise PreconditionError if a slot or a publication of the instance's name is not as the capture needs it."""
    for each in objects:
        if each.kind == SLOT and not each.is_right:
            raise PreconditionError(
                f"replication slot {each.name} is another program's ({each.detail}): "
                "set FUNNELPROOF_INSTANCE to a name of its own"
            )
        if each.kind == PUBLICATION and not each.is_right:
            raise PreconditionError(
                f"publication {each.name} does not publish all inserts, updates and deletes of exactly {TABLE} "
                f"(it publishes {each.detail}), so the log may lack changes: run `{each.statement}`, then begin anew "
                "with `funnelproof rebuild`; where another program reads the publication, set FUNNELPROOF_INSTANCE to "
                "a name of its own"
            )


async def make_objects(connection: "Connection", instance: str, *, truncate_trigger: bool) -> list[str]:
    """Make the publication and the truncate trigger where missing, in one transaction; return a line for each.

    Debezium sends a truncate as an event without key, and a compacted topic refuses records without key. The trigger
    therefore deletes the rows before the truncate, and the log carries a delete for every row.

    Raises PreconditionError if the role lacks a right (the message has the statements for the table's owner), if a
    transaction holds the table, or if the CRM could not write any more. Nothing is made then.
    """
    objects = await read_objects(connection, instance)
    require_own(objects)
    present = {each.kind for each in objects if each.is_right}
    wanted = await _wanted(connection, instance, present, truncate_trigger=truncate_trigger)
    await _execute(connection, [statement for _, _, statement in wanted])
    return [made for _, made, _ in wanted]


async def require_makeable(
    connection: "Connection", instance: str, remaining: AbstractSet[str], *, truncate_trigger: bool
) -> None:
    """Raise as `make_objects` does if a right is missing to make the objects of the kinds not in `remaining`."""
    await _wanted(connection, instance, remaining, truncate_trigger=truncate_trigger)


async def _wanted(
    connection: "Connection", instance: str, present: AbstractSet[str], *, truncate_trigger: bool
) -> list[tuple[bool, str, str]]:
    """Return for each missing object whether the role may make it, the object in words, and the statement."""
    asked = await connection.fetchrow(sql("queries/cdc/source_publication"), instance)
    if asked is None:
        raise PreconditionError(
            f"the CRM's database has no table {TABLE}: does FUNNELPROOF_SOURCE_DSN point at it?"
        )
    wanted = []
    if PUBLICATION not in present:
        wanted.append((asked["may_publish"], f"publication {instance} of {TABLE}", asked["statement"]))
    if truncate_trigger and TRIGGER not in present:
        made = f"trigger funnelproof_delete_before_truncate on {TABLE}: a truncate first deletes every row"
        wanted.append(
            (asked["may_trigger"], made, sql("queries/cdc/source_truncate_trigger").rstrip().rstrip(";"))
        )
    if not all(allowed for allowed, _, _ in wanted):
        raise PreconditionError(_for_the_owner([statement for _, _, statement in wanted]))
    return wanted


async def _execute(connection: "Connection", statements: Sequence[str]) -> None:
    if not statements:
        return
    try:
        async with _briefly(connection):
            for statement in statements:
                await connection.execute(statement)
            await _require_writable(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        raise PreconditionError(f"{error}: {_for_the_owner(statements)}") from error


async def _require_writable(connection: "Connection") -> None:
    try:
        await connection.fetch(sql("queries/cdc/source_writable"))
    except asyncpg.InsufficientPrivilegeError:
        raise
    except asyncpg.PostgresError as error:
        raise PreconditionError(
            f"with the publication Postgres would refuse the CRM's updates of {TABLE} ({error}): nothing was made"
        ) from error


def _for_the_owner(statements: Sequence[str]) -> str:
    return (
        "the role of FUNNELPROOF_SOURCE_DSN may not make what the capture needs in the CRM's database, and nothing was "
        f"changed. Let the owner of {TABLE} run this there, then run `funnelproof connector apply` again:\n\n"
        + "\n".join(f"{statement};" for statement in statements)
    )


async def wait_for_release(connection: "Connection", instance: str) -> None:
    """Wait until nobody reads the slot; a stopped connector holds its slot for another moment.

    Raises PreconditionError if somebody still reads the slot after some seconds.
    """
    for _ in range(_LOOKS):
        slot = await read_slot(connection, instance)
        if slot is None or not slot.active:
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise PreconditionError(f"replication slot {instance} is still in use: is another connector reading it?")


async def drop_object(connection: "Connection", each: SourceObject) -> None:
    """Drop the object. Raises PreconditionError if somebody goes on reading a slot, or writing the trigger's table."""
    if each.kind == SLOT:
        await wait_for_release(connection, each.name)
        await connection.execute(each.statement)
        return
    async with _briefly(connection):
        await connection.execute(each.statement)


@asynccontextmanager
async def _briefly(connection: "Connection") -> AsyncIterator[None]:
    """Hold a transaction that gives up where the stage table is in use. Raises PreconditionError then."""
    try:
        async with connection.transaction():
            await connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
            yield
    except asyncpg.LockNotAvailableError:
        raise PreconditionError(
            f"a transaction has held {TABLE} for {_LOCK_TIMEOUT}: nothing was changed there; run this again when it "
            "has ended"
        ) from None
