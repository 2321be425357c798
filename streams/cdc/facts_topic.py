"""The topic that results are published to."""

from collections.abc import Mapping

from streams.cdc.topics import Topics

SETTINGS: Mapping[str, str] = {"cleanup.policy": "delete"}
"""Not compacted, whatever the cluster's default is: each revision is an event, and stays. For how long is left to the
broker's default or to whoever sets it for the topic."""


async def make_facts_topic(topics: Topics, name: str) -> None:
    """Make the topic, of one partition, if there is none; one that exists is left as its owner wants it.

    Raises UnreachableError, or KafkaException where the broker refuses.
    """
    if await topics.describe(name) is None:
        await topics.ensure(name, 1, SETTINGS)
