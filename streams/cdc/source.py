"""Preparation of the CRM's database: checks, and the trigger that turns a truncate into deletes."""

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from streams.errors import PreconditionError
from streams.resources import sql

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_DROP_ATTEMPTS = 50


async def prepare_source(connection: "Connection") -> list[str]:
    """Check the CRM's database and install the truncate trigger; return warnings for the user.

    Debezium sends a truncate as an event without key, and a compacted topic refuses records without key. A trigger
    therefore deletes the rows before the truncate, and the log carries a delete for every row. Raises PreconditionError
    if the database cannot be followed, or not correctly.
    """
    row = await connection.fetchrow(sql("queries/cdc/source_check"))
    assert row is not None  # noqa: S101 - the statement always returns one row
    if row["stage_state"] is None or row["pipeline_stage"] is None:
        raise PreconditionError(
            "the CRM's database has no tables dyno_crm.deal_pipeline_stage_state and dyno_crm.pipeline_stage: "
            "does FUNNELPROOF_SOURCE_DSN point at it?"
        )
    if row["wal_level"] != "logical":
        raise PreconditionError(
            f"wal_level is {row['wal_level']}: set wal_level = logical in the CRM's Postgres and restart it"
        )
    if row["replica_identity"] != "f":
        raise PreconditionError(
            "deletes would arrive without the deal they belong to: "
            "alter table dyno_crm.deal_pipeline_stage_state replica identity full"
        )
    try:
        async with connection.transaction():
            await connection.execute(sql("queries/cdc/source_truncate_trigger"))
    except asyncpg.InsufficientPrivilegeError as error:
        return [f"a truncate of the stage table would not be seen, the trigger could not be made: {error}"]
    return []


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
