"""Checks of the CRM's database before anything is made: a source that cannot be followed is refused."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streams.cdc.fingerprint import read_fingerprint, snapshot_reader
from streams.domain.capture import Fault, capture_faults, table_faults
from streams.domain.fingerprint import Fingerprint
from streams.errors import PreconditionError
from streams.settings import Settings

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]


async def require_tables(
    connection: "Connection", settings: Settings, *, may_be_missing: bool = False
) -> None:
    """Raise PreconditionError if the stage table cannot be followed, whatever is published.

    The message has every fault, each with the statement that mends the fault. `may_be_missing`: a database without the
    stage table is no fault, for example before the CRM is installed.
    """
    source = await look_at_source(connection, settings)
    if source.table is not None or not may_be_missing:
        _refuse(table_faults(source))


async def require_capture(connection: "Connection", settings: Settings) -> Fingerprint:
    """Return the fingerprint of a source whose changes all reach the log; else raise as `require_tables` does."""
    source = await look_at_source(connection, settings)
    _refuse(capture_faults(source))
    return source


async def look_at_source(connection: "Connection", settings: Settings) -> Fingerprint:
    """Return the source's fingerprint, with the publication and the snapshot's reader that the settings name."""
    return await read_fingerprint(connection, publication=settings.instance, reader=snapshot_reader(settings))


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise PreconditionError("; ".join(map(str, faults)))
