"""The topic of published results."""

from collections.abc import Mapping

from streams.cdc.topics import Topics

SETTINGS: Mapping[str, str] = {"cleanup.policy": "delete"}
"""Settings of a new topic. No compaction, whatever the cluster's default: every revision is an event and stays.
The retention time is left to the broker's default and to the topic's owner."""


async def make_facts_topic(topics: Topics, name: str) -> None:
    """Make the topic, with a single partition, if the topic is missing; leave an existing topic unchanged.

    Raises UnreachableError, or KafkaException if the broker refuses.
    """
    if await topics.describe(name) is None:
        await topics.ensure(name, 1, SETTINGS)
