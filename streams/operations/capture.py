"""The capture of changes, set up and taken down: the CRM's database, the connector, and its topics."""

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from streams.cdc.connector import Connector, ConnectorStatus
from streams.cdc.connector_config import connector_config
from streams.cdc.own_topics import OwnTopics
from streams.cdc.source import require_capture, require_tables
from streams.cdc.source_objects import (
    SLOT,
    make_objects,
    read_objects,
    read_slot,
    reading,
    require_own,
    require_reader,
)
from streams.domain.fingerprint import Fingerprint
from streams.errors import UnreachableError
from streams.operations.source_removal import SourceRemoval
from streams.settings import Settings
from streams.store.capture import begin_capture
from streams.store.database import facts_connection, source_connection


@dataclass(frozen=True)
class Removed:
    """The outcome of a removal: the objects that are gone, and the objects that were left, each with the reason."""

    existed: bool
    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


async def apply_connector(
    settings: Settings, on_made: Callable[[str], None] = lambda _: None
) -> ConnectorStatus:
    """Make what the capture needs in the CRM's database, in Kafka and in Connect, and wait until the connector reads.

    Everything is checked before anything is made. `on_made` is called with each object that was made. Raises
    UnreachableError and PreconditionError.
    """
    connector, topics = Connector(settings), OwnTopics(settings)
    reader = connector_config(settings)["database.user"]  # raises if Debezium cannot use the address
    async with source_connection(settings) as source:
        await require_tables(source, settings)
        objects = await read_objects(source, settings.instance)
        require_own(objects)
        await require_reader(source, reader)
        await topics.check()
        slot = next((each for each in objects if each.kind == SLOT), None)
        await connector.check(slot)
        for made in await make_objects(
            source, settings.instance, truncate_trigger=settings.truncate_trigger == "on"
        ):
            on_made(made)
        fingerprint = await require_capture(source, settings)
        for name in await topics.make():
            on_made(f"topic {name}")
        now = await source.fetchval("select clock_timestamp()")
        await _begin_capture(settings, await topics.log_id(), fingerprint, now)
        status, is_new = await connector.apply(lambda: reading(source, settings.instance))
        if is_new:
            on_made(str(connector))
        if slot is None and (made_slot := await read_slot(source, settings.instance)) is not None:
            on_made(f"{made_slot}, by Debezium")
    return status


async def _begin_capture(
    settings: Settings, topic_id: str, fingerprint: Fingerprint, source_time: datetime
) -> None:
    """Keep the source's fingerprint for the log that begins now, so that a change before the first proof shows.

    Whoever runs `connector apply` may have no access to the report tables: the first proof then keeps the fingerprint.
    """
    with suppress(UnreachableError, asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        async with facts_connection(settings) as report:
            await begin_capture(report, topic_id, fingerprint, source_time)


async def read_connector(settings: Settings) -> ConnectorStatus:
    """Return the connector's status; a connector that Connect calls RUNNING and that reads nothing is not running.

    The CRM's database is asked only about a connector that Connect calls RUNNING. Raises UnreachableError.
    """

    async def ask_source() -> str | None:
        async with source_connection(settings) as source:
            return await reading(source, settings.instance)

    return await Connector(settings).seen(ask_source)


async def delete_connector(settings: Settings, *, topics: bool, force: bool = False) -> Removed:
    """Delete the connector; with `topics` everything else of the log, too, so that the next log begins anew.

    With `topics` every right is checked before anything is removed: Connect's offsets, slot, publication, truncate
    trigger and topics then go. A publication or trigger that the role may not drop stays if it is as the capture
    needs it. `force` deletes a connector that follows another database. Raises UnreachableError and PreconditionError.
    """
    connector = Connector(settings)
    if not force:
        await connector.require_own()
    if not topics:
        existed = await connector.delete()
        return Removed(existed, [str(connector)] if existed else [])
    own = OwnTopics(settings)
    async with AsyncExitStack() as stack:
        source = await SourceRemoval.plan(settings, stack, strict=False)
        names = await own.existing(own.of_the_log)
        existed, removed = await source.run_with(connector)
        await own.delete(names)
        return Removed(existed, [*removed, *(f"topic {name}" for name in names)], source.left)
