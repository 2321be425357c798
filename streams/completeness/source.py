"""The source database's clock, and the present writers of the stage table."""

import json
from datetime import datetime

from streams.domain.proof import OpenTransaction
from streams.resources import sql
from streams.store.database import Connection


async def read_source(source: Connection) -> tuple[datetime, dict[str, OpenTransaction]]:
    """Return the source's clock, and the transactions with a writer's lock on the stage table, by virtual id."""
    row = await source.fetchrow(sql("queries/completeness/proof_source"))
    assert row is not None  # noqa: S101 - the statement always returns one row
    holders = json.loads(row["holders"])
    return row["source_time"], {
        virtual_id: OpenTransaction(virtual_id, **holder) for virtual_id, holder in holders.items()
    }
