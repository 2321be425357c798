"""Watches whether Kafka deletes records of the log: the log is a table of all rows, and its rows have no age limit.

A topic's owner may change the topic after `funnelproof connector apply`. Example: a platform's policy gives every topic
seven days of retention. The counts of a running worker stay right, because the worker has folded the records before
they are deleted. A worker without this state could not start any more.
"""

from collections.abc import Collection

import structlog

from streams.cdc.folded import FoldedTopic, RecordsLostError
from streams.store.database import Pool
from streams.store.doubts import note_doubt
from streams.store.keep_trying import Trouble, keep_trying

log = structlog.get_logger(__name__)

EVERY = 10.0
"""Seconds between two looks at the topic's settings."""


class LogWatch:
    """Runs in every worker. A cleanup policy that deletes records is a doubt; a log without its beginning is logged."""

    def __init__(self, topic: FoldedTopic, report: Pool, partitions: Collection[int]) -> None:
        self._topic = topic
        self._report = report
        self._partitions = partitions
        self._starts: dict[int, int] = {}

    async def run(self) -> None:
        """Look again and again; never returns. Raises errors that do not pass."""
        await keep_trying(self.look, Trouble("the log's settings could not be looked at"), EVERY)

    async def look(self) -> None:
        """Note the doubt `retention` while the topic's policy deletes records; log where the log begins anew."""
        name = self._topic.name
        topic = await self._topic.describe(name)
        if topic is not None and topic.deletion:
            await note_doubt(self._report, "retention", topic.deletion)
        if partitions := list(self._partitions):
            starts = await self._topic.starts(name, partitions)
            moved = {number: at for number, at in starts.items() if at > self._starts.get(number, 0)}
            if moved:
                log.warning(
                    "the log's first records were deleted: the counts are right, but a worker without this worker's "
                    "checkpoints will not start; run `funnelproof rebuild` at a time of your choice",
                    topic=name,
                    begins_at=moved,
                )
            self._starts |= moved

    async def note_loss(self, lost: RecordsLostError) -> None:
        """Note the doubt about records that the worker needs; nobody counts the partition from now on."""
        await note_doubt(self._report, lost.doubt, lost.reason)
