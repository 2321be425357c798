"""What can go wrong in the engine; each EngineError stops the worker."""


class EngineError(Exception):
    """The worker must stop: going on would skip records. The message says what to do."""


class CorruptRecordsError(EngineError):
    """Records of a partition cannot be read; the message names topic, partition and offset."""


class PositionError(EngineError):
    """The owner asked for a position that the partition's log does not have."""


class GivenUpError(Exception):
    """aiokafka gave a request up without a reason, as it may when it loses the broker; it can be made again."""
