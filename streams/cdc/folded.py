"""The topic that a worker folds, guarded against a new topic under the old name."""

import time
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException

from streams.brokers import Brokers
from streams.cdc.topics import Topic, Topics
from streams.errors import PreconditionError, UnreachableError

MISSING_SECONDS = 5.0
"""Seconds without the topic after which the topic counts as deleted: a starting broker may not know it yet."""

BEGIN_ANEW = "`funnelproof rebuild`, so that its log begins with a snapshot of all rows"


class RecordsLostError(PreconditionError):
    """Records of the log that must be counted are gone: `reason` tells the records, the message also the remedy.

    `doubt` is the kind of doubt to note: `log` if the first records were deleted, `log_end` if the last were lost.
    """

    def __init__(self, doubt: str, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.doubt = doubt
        self.reason = reason


class FoldedTopic(Topics):
    """Answers about the data topic, while Kafka confirms that the topic is still the topic the worker began to fold.

    A topic made anew under an old name has a new id, and Kafka never reuses an id. Example: the worker has folded
    offsets 0 to 999, an operator deletes and makes the topic, and the new log also has an offset 1000. Offsets alone
    hide the break; the id shows it. `trouble` is the reason why the last request for the id failed, if it failed.
    """

    def __init__(self, brokers: Brokers, topic: Topic) -> None:
        super().__init__(brokers)
        self._topic = topic
        self._missing_since: float | None = None
        self._confirmed: dict[int, int] = {}
        self.trouble: str | None = None

    @property
    def name(self) -> str:
        """The topic's name."""
        return self._topic.name

    async def confirm(self) -> None:
        """Confirm that every record read before this call came from the worker's topic.

        Raises PreconditionError if the topic's id or number of partitions has changed, UnreachableError if Kafka does
        not answer.
        """
        try:
            self._judge(await self.identity(self._topic.name))
        except (UnreachableError, KafkaException) as error:
            self.trouble = str(error) or repr(error)
            raise UnreachableError(f"Kafka does not confirm the topic: {self.trouble}") from error
        self.trouble = None

    async def confirm_at(self, positions: Mapping[int, int]) -> None:
        """Confirm the records before `positions`, unless confirmed before: see `confirm`."""
        if positions != self._confirmed:
            await self.confirm()
            self._confirmed = dict(positions)

    async def ends(self, name: str, partitions: Iterable[int], *, committed: bool) -> dict[int, int]:
        """Return the offset after the last record of every partition, as Topics does. Raises as `confirm` does."""
        ends = await super().ends(name, partitions, committed=committed)
        await self.confirm()
        return ends

    def _judge(self, found: tuple[str, int] | None) -> None:
        name, folded = self._topic.name, self._topic
        if found is None:
            now = time.monotonic()
            self._missing_since = self._missing_since or now
            if now - self._missing_since < MISSING_SECONDS:
                raise UnreachableError(f"Kafka does not know the topic {name}")
            raise PreconditionError(
                f"topic {name} was deleted. If `funnelproof rebuild` is at work, start the worker again; otherwise run "
                f"{BEGIN_ANEW}"
            )
        self._missing_since = None
        topic_id, partitions = found
        if topic_id != folded.topic_id:
            raise PreconditionError(
                f"topic {name} was deleted and made anew: nothing of the new one was counted. Unless `funnelproof "
                f"rebuild` has just made it, run {BEGIN_ANEW}. Then start the worker again, it will rebuild the counts"
            )
        if partitions != folded.partitions:
            raise PreconditionError(
                f"topic {name} has {partitions} partitions now, no longer {folded.partitions}: start the worker "
                "again, it will rebuild the counts. The connector goes on using the former ones; to spread deals "
                f"over all, set FUNNELPROOF_PARTITIONS={partitions} and run {BEGIN_ANEW}"
            )


def require_records(topic: str, partition: int, position: int, start: int, end: int) -> None:
    """Raise RecordsLostError unless a partition's log from `start` to `end` continues a state at `position`.

    A count without the first records would be too small, and would revise correct facts. Example: a worker has a
    checkpoint at offset 500, and Kafka has deleted the records before offset 600.
    """
    if position < start:
        raise RecordsLostError(
            "log",
            f"partition {partition} of {topic} begins at {start}: the records before were deleted, and the worker has "
            f"a state up to {position} only",
            "Start the worker where the checkpoints are (FUNNELPROOF_STATE_DIR); if there are none, run "
            f"{BEGIN_ANEW}",
        )
    require_counted(topic, partition, position, end)


def require_counted(topic: str, partition: int, counted: int | None, end: int) -> None:
    """Raise RecordsLostError if a partition's log ends before the offset up to which records were counted.

    Example: Kafka elects a leader that lacks the last records, and gives their offsets to other records.
    """
    if counted is not None and counted > end:
        raise RecordsLostError(
            "log_end",
            f"partition {partition} of {topic} ends at {end}, before the {counted} already read: Kafka has lost the "
            "records in between",
            f"To go on without them, run {BEGIN_ANEW}",
        )
