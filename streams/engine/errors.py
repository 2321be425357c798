"""The engine's errors; an EngineError stops the worker."""


class EngineError(Exception):
    """The worker must stop, because going on would skip records. The message names the remedy."""


class CorruptRecordsError(EngineError):
    """Records of a partition are unreadable; the message names topic, partition and offset."""


class PositionError(EngineError):
    """The owner asked for a position outside of the partition's log."""


class GivenUpError(Exception):
    """aiokafka gave a request up without a reason, perhaps after losing the broker. The request can be repeated."""
