"""A Faust transport that hands agents raw record batches and reads from positions of their own."""

from streams.engine.app import BatchApp
from streams.engine.batch import PartitionRecords, Record, RecordBatch
from streams.engine.errors import CorruptRecordsError, EngineError, PositionError
from streams.engine.owner import PartitionOwner

__all__ = [
    "BatchApp",
    "CorruptRecordsError",
    "EngineError",
    "PartitionOwner",
    "PartitionRecords",
    "PositionError",
    "Record",
    "RecordBatch",
]
