"""What the owner of a Kafka topic may do to the topic: change its settings, delete its records."""

import asyncio
from collections.abc import Mapping

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType


async def set_topic(kafka: str, topic: str, settings: Mapping[str, str]) -> None:
    entries = [ConfigEntry(*each, incremental_operation=AlterConfigOpType.SET) for each in settings.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": kafka})
    await asyncio.wrap_future(admin.incremental_alter_configs([resource])[resource])


async def delete_records(kafka: str, topic: str, until: Mapping[int, int], policy: str = "compact") -> None:
    """Delete the records of each partition before an offset, as retention does to whole segments.

    Kafka refuses the deletion while the topic is only compacted; `policy` is the topic's policy afterwards.
    """
    await set_topic(kafka, topic, {"cleanup.policy": "compact,delete"})
    admin = AdminClient({"bootstrap.servers": kafka})
    places = [TopicPartition(topic, *each) for each in until.items()]
    for deleted in admin.delete_records(places).values():
        await asyncio.wrap_future(deleted)
    await set_topic(kafka, topic, {"cleanup.policy": policy})
