"""Preparation of the CRM's database: checks, and the trigger that turns a truncate into deletes."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from streams.cdc.fingerprint import read_fingerprint, snapshot_reader
from streams.domain.capture import Fault, capture_faults, table_faults
from streams.domain.fingerprint import Fingerprint
from streams.errors import PreconditionError
from streams.resources import sql
from streams.settings import Settings

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_DROP_ATTEMPTS = 50


async def require_source(connection: "Connection", settings: Settings) -> Fingerprint:
    """Return the fingerprint of a source that can be followed; a missing publication is no fault.

    Raises PreconditionError with every fault, each with the statement that mends the fault.
    """
    source = await _read(connection, settings)
    _refuse(table_faults(source) if source.publication is None else capture_faults(source))
    return source


async def require_tables(connection: "Connection", settings: Settings) -> None:
    """Raise PreconditionError if the stage table is there and cannot be followed, whatever is published."""
    source = await _read(connection, settings)
    if source.table is not None and source.has_stages:
        _refuse(table_faults(source))


async def prepare_source(connection: "Connection", settings: Settings) -> list[str]:
    """Check the CRM's database and install the truncate trigger; return warnings for the user.

    Debezium sends a truncate as an event without key, and a compacted topic refuses records without key. A trigger
    therefore deletes the rows before the truncate, and the log carries a delete for every row. Raises PreconditionError
    if the database cannot be followed, or not correctly.
    """
    await require_source(connection, settings)
    try:
        async with connection.transaction():
            await connection.execute(sql("queries/cdc/source_truncate_trigger"))
    except asyncpg.InsufficientPrivilegeError as error:
        return [f"a truncate of the stage table would not be seen, the trigger could not be made: {error}"]
    return []


async def _read(connection: "Connection", settings: Settings) -> Fingerprint:
    return await read_fingerprint(connection, publication=settings.instance, reader=snapshot_reader(settings))


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise PreconditionError("; ".join(map(str, faults)))


async def drop_slot(connection: "Connection", name: str) -> None:
    """Drop the connector's replication slot, if present; a stopped connector holds its slot for another moment."""
    for _ in range(_DROP_ATTEMPTS):
        try:
            await connection.execute(sql("queries/cdc/source_drop_slot"), name)
        except asyncpg.ObjectInUseError:
            await asyncio.sleep(0.2)
        else:
            return
    raise PreconditionError(f"replication slot {name} is still in use: is another connector reading it?")
