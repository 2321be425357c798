"""The capture of changes, set up and taken down: the CRM's database, the connector, and its topics."""

from collections.abc import Callable

from streams.cdc.connector import Connector, ConnectorStatus
from streams.cdc.source import drop_slot, prepare_source
from streams.settings import Settings
from streams.store.database import source_connection


async def apply_connector(
    settings: Settings, on_warning: Callable[[str], None] = lambda _: None
) -> ConnectorStatus:
    """Prepare the CRM's database, make or update the topics and the connector, and wait until the connector runs.

    `on_warning` is called with each defect that the source's owner should mend. Raises UnreachableError and
    PreconditionError.
    """
    async with source_connection(settings) as source:
        for warning in await prepare_source(source, settings):
            on_warning(warning)
    return await Connector(settings).apply()


async def delete_connector(settings: Settings, *, topics: bool) -> bool:
    """Delete the connector, with `topics` also the topics and the slot; return False if no connector existed."""
    existed = await Connector(settings).delete(topics=topics)
    if topics:
        async with source_connection(settings) as source:
            await drop_slot(source, settings.instance)
    return existed
