"""What a repair puts into the log for a deal."""

import json
from datetime import UTC, datetime
from uuid import UUID

from streams.cdc.restatement import SourceRow
from streams.cdc.routing import partition_of
from streams.repairing.plan import DealRepair, LogRecord
from streams.repairing.restatements import key_of, restatements
from streams.repairing.restating import Reading

DEAL, ROW, GONE = UUID(int=7), UUID(int=9), UUID(int=10)
PARTITIONS = 4
HOME = partition_of(DEAL, PARTITIONS)
ASTRAY = (HOME + 1) % PARTITIONS
READING = Reading(
    {ROW: SourceRow(ROW, UUID(int=3), DEAL, UUID(int=4), UUID(int=1), "2026-11-23T12:00:00.000000Z")},
    lsn=500,
    at=datetime(2026, 11, 23, 13, tzinfo=UTC),
)


def operations(*records: LogRecord) -> dict[tuple[int, bytes], str]:
    """Return the operation of each restatement of the deal, by partition and key."""
    found = restatements([DealRepair(DEAL, UUID(int=3), frozenset(), records)], READING, PARTITIONS)
    return {(each.partition, each.key): json.loads(each.value)["op"] for each in found}


def test_a_record_in_a_partition_of_other_deals_is_deleted_there_and_its_row_counts_at_home() -> None:
    key = key_of(DEAL, ROW)
    assert operations(LogRecord(ASTRAY, key, is_astray=True)) == {(ASTRAY, key): "d", (HOME, key): "c"}


def test_a_row_that_the_log_never_had_is_restated_and_a_row_that_is_gone_is_deleted() -> None:
    assert operations(LogRecord(HOME, key_of(DEAL, GONE), is_astray=False)) == {
        (HOME, key_of(DEAL, GONE)): "d",
        (HOME, key_of(DEAL, ROW)): "c",
    }
