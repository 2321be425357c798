"""The Kafka topics of an installation: made by `connector apply`, deleted by `connector delete --topics`."""

from collections.abc import Mapping, Sequence

from streams.cdc.facts_topic import make_facts_topic
from streams.cdc.topics import Topics
from streams.settings import Settings

DATA_TOPIC_SETTINGS = {
    "cleanup.policy": "compact",
    # Longer than any replay (see Compaction in docs/architecture.md): a replay must not lose records ahead of it.
    "min.compaction.lag.ms": "21600000",
    # The topic is a table of all rows, and rows have no age limit.
    "retention.ms": "-1",
}
# A starting prover reads the whole topic: keep the topic short. Retention removes closed segments only.
MESSAGE_TOPIC_SETTINGS = {"cleanup.policy": "delete", "retention.ms": "86400000", "segment.ms": "3600000"}
DEAD_LETTER_TOPIC_SETTINGS = {"cleanup.policy": "delete", "retention.ms": "-1"}


def wanted_topics(settings: Settings) -> Mapping[str, tuple[int, Mapping[str, str]]]:
    """Return the topics of the log by name, each with the number of partitions and the settings."""
    return {
        settings.data_topic: (settings.partitions, DATA_TOPIC_SETTINGS),
        settings.message_topic: (1, MESSAGE_TOPIC_SETTINGS),
        settings.dead_letter_topic: (1, DEAD_LETTER_TOPIC_SETTINGS),
    }


class OwnTopics:
    """The topics that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = Topics(settings.brokers)
        self._wanted = wanted_topics(settings)

    @property
    def of_the_log(self) -> Sequence[str]:
        """The topics of the log, which begin anew together; Debezium makes the last, for heartbeats."""
        return [*self._wanted, f"__debezium-heartbeat.{self._settings.topic_prefix}"]

    async def check(self) -> None:
        """Raise PreconditionError if an existing topic cannot be used; changes nothing."""
        for name, (partitions, settings) in self._wanted.items():
            await self._topics.check(name, partitions, settings)

    async def make(self) -> list[str]:
        """Make the missing topics, give existing topics their settings; return the names of the made topics."""
        missing = [
            name
            for name in (*self._wanted, self._settings.facts_topic)
            if await self._topics.identity(name) is None
        ]
        for name, (partitions, settings) in self._wanted.items():
            await self._topics.ensure(name, partitions, settings)
        await make_facts_topic(self._topics, self._settings.facts_topic)
        return missing

    async def log_id(self) -> str:
        """Return the id of the log's data topic. Raises PreconditionError if the topic is missing."""
        return (await self._topics.require(self._settings.data_topic)).topic_id

    async def existing(self, names: Sequence[str]) -> list[str]:
        """Return the existing topics among `names`. Raises PreconditionError if one of them may not be deleted."""
        return [name for name in names if await self._topics.may_delete(name)]

    async def delete(self, names: Sequence[str]) -> None:
        """Delete the existing topics among `names`."""
        await self._topics.delete(names)

    async def has_group(self) -> bool:
        """Return True if Kafka keeps the workers' consumer group."""
        return await self._topics.has_group(self._settings.instance)

    async def delete_group(self) -> None:
        """Delete the workers' consumer group. Raises PreconditionError if a worker is still a member."""
        await self._topics.delete_group(self._settings.instance)
