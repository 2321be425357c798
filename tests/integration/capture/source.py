"""A source as the capture needs it, and looks at it."""

from streams.cdc.fingerprint import read_fingerprint
from streams.cdc.source_objects import make_objects
from streams.domain.fingerprint import Fingerprint
from streams.store.database import OwnConnection


async def look(crm: OwnConnection, reader: str | None = None) -> Fingerprint:
    return await read_fingerprint(crm, publication="funnelproof", reader=reader)


async def run(crm: OwnConnection, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    for statement in statements:
        await crm.execute(statement)


async def begin(crm: OwnConnection) -> Fingerprint:
    """A source that is followed as it should be."""
    await make_objects(crm, "funnelproof", truncate_trigger=True)
    return await look(crm)
