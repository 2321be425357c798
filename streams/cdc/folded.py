"""The topic that a worker folds, for as long as it is the same one."""

import time
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException

from streams.cdc.topics import Topic, Topics
from streams.errors import PreconditionError, UnreachableError

MISSING_SECONDS = 5.0
"""For how long Kafka may not know the topic before it counts as deleted: a broker that has just started may not yet."""

BEGIN_ANEW = (
    "`funnelproof connector delete --topics`, then `funnelproof connector apply`, so that its log begins with a "
    "snapshot of all rows"
)


class FoldedTopic(Topics):
    """Answers for one topic, and only while that is the one that the worker began to fold.

    A topic that is made anew under the same name has another id, and ids are never given twice. `trouble` says why
    Kafka did not confirm the topic when it was last asked.
    """

    def __init__(self, servers: str, topic: Topic) -> None:
        super().__init__(servers)
        self._topic = topic
        self._missing_since: float | None = None
        self._confirmed: dict[int, int] = {}
        self.trouble: str | None = None

    async def confirm(self) -> None:
        """Return if everything that was read of the topic before this call was of this very topic.

        Raises PreconditionError where it is another or has other partitions now, UnreachableError where that
        cannot be told.
        """
        try:
            self._judge(await self.identity(self._topic.name))
        except (UnreachableError, KafkaException) as error:
            self.trouble = str(error) or repr(error)
            raise UnreachableError(f"Kafka does not confirm the topic: {self.trouble}") from error
        self.trouble = None

    async def confirm_at(self, positions: Mapping[int, int]) -> None:
        """Confirm what was read up to `positions`, unless that is done: see `confirm`."""
        if positions != self._confirmed:
            await self.confirm()
            self._confirmed = dict(positions)

    async def ends(self, name: str, partitions: Iterable[int], *, committed: bool) -> dict[int, int]:
        """Return the offset after the last record of each partition; see Topics. Raises as `confirm` does."""
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
            raise PreconditionError(f"topic {name} was deleted. To go on without it: {BEGIN_ANEW}")
        self._missing_since = None
        topic_id, partitions = found
        if topic_id != folded.topic_id:
            raise PreconditionError(
                f"topic {name} was deleted and made anew: nothing of the new one was counted. Unless the connector "
                f"was deleted with it: {BEGIN_ANEW}. Then start the worker again, it will rebuild the counts"
            )
        if partitions != folded.partitions:
            raise PreconditionError(
                f"topic {name} has {partitions} partitions now, no longer {folded.partitions}: start the worker "
                "again, it will rebuild the counts. The connector goes on using the former ones; to spread deals "
                f"over all, set FUNNELPROOF_PARTITIONS={partitions} and {BEGIN_ANEW}"
            )
