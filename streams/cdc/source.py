"""Checks of the CRM's database."""

from typing import TYPE_CHECKING

from streams.errors import PreconditionError
from streams.resources import sql

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]


async def require_source(connection: "Connection") -> None:
    """Raise PreconditionError if the database cannot be followed, or not correctly."""
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
