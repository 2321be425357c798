"""The restatements of a deal's repair: every row of the deal, wherever the log has the row."""

from collections.abc import Collection, Iterable
from uuid import UUID

import msgspec

from streams.cdc.restatement import Restatement, RowKey
from streams.cdc.routing import partition_of
from streams.repairing.plan import DealRepair
from streams.repairing.restating import Reading


def restatements(deals: Iterable[DealRepair], reading: Reading, partitions: int) -> Collection[Restatement]:
    """Return the restatements of `deals`, one for each record.

    `reading` has the rows of the deals, and of the deals' records.

    A record in a partition of other deals is restated as a deletion. A row of the log that the source has no more is
    restated as a deletion. A row of the source is restated in the partition of the row's deal, whether the log has the
    row or not.
    """
    found = [
        reading.delete(record.partition, record.key)
        if record.is_astray
        else reading.restate(record.partition, record.key)
        for deal in deals
        for record in deal.records
    ]
    found += [
        reading.restate(partition_of(row.deal_id, partitions), key_of(row.deal_id, row.id))
        for row in reading.rows.values()
    ]
    return {(each.partition, each.key): each for each in found}.values()


def key_of(deal_id: UUID, row_id: UUID) -> bytes:
    """Return the key of a row's records, as Debezium writes the key."""
    return msgspec.json.encode(RowKey(deal_id, row_id))
