"""Kafka's topics: identity, settings, ends."""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AclOperation,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from streams.brokers import Brokers
from streams.cdc.silence import why_silent
from streams.errors import PreconditionError

_TIMEOUT = 10.0
_ATTEMPTS = 10


@dataclass(frozen=True)
class Topic:
    """A topic, as read from Kafka. `topic_id` changes when the topic is deleted and made anew."""

    name: str
    topic_id: str
    partitions: int
    settings: Mapping[str, str]

    @property
    def compaction_lag(self) -> timedelta:
        """The least age of a record that compaction removes."""
        return timedelta(milliseconds=int(self.settings.get("min.compaction.lag.ms", "0")))

    @property
    def deletion(self) -> str | None:
        """The sentence that Kafka may delete records by their age or by the log's size; None if Kafka may not."""
        policy = self.settings.get("cleanup.policy", "")
        if "delete" not in policy:
            return None
        return f"topic {self.name} has cleanup.policy={policy}: Kafka deletes its oldest records"


# The library's errors have names that look private, unlike the broker's.
_NO_ANSWER = (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001 - see above
_FORBIDDEN = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
# Errors of a client whose idea of a partition's leader is out of date.
_LEADER_MOVED = (
    KafkaError._NOENT,  # noqa: SLF001 - see above
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)


def require_allowed(error: KafkaException, remedy: str) -> None:
    """Raise PreconditionError if Kafka has refused a right; `remedy` says how the user gets the right."""
    told = error.args[0]
    if told.code() in _FORBIDDEN:
        raise PreconditionError(
            f"Kafka does not allow this to the user of this installation ({told.str()}): {remedy}"
        ) from error


class Topics:
    """Describes, makes and deletes topics of a Kafka cluster, whose answers come within `timeout` seconds."""

    def __init__(self, brokers: Brokers, *, timeout: float = _TIMEOUT) -> None:
        self._brokers = brokers
        self._timeout = timeout
        self._admin = AdminClient({**brokers.confluent(), "socket.connection.setup.timeout.ms": 5000})

    async def describe(self, name: str) -> Topic | None:
        """Return the topic, None if the topic is missing; raises UnreachableError."""
        identity = await self.identity(name)
        if identity is None:
            return None
        resource = ConfigResource(ResourceType.TOPIC, name)
        settings = await self._ask(
            self._admin.describe_configs([resource], request_timeout=self._timeout)[resource]
        )
        known = {key: entry.value for key, entry in settings.items() if entry.value is not None}
        return Topic(name, *identity, known)

    async def identity(self, name: str) -> tuple[str, int] | None:
        """Return the topic's id and number of partitions, None if the topic is missing; raises UnreachableError."""
        try:
            described = await self._ask(
                self._admin.describe_topics(TopicCollection([name]), request_timeout=self._timeout)[name]
            )
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
        return str(described.topic_id), len(described.partitions)

    async def require(self, name: str) -> Topic:
        """Return the topic; raises PreconditionError if the topic is missing."""
        topic = await self.describe(name)
        if topic is None:
            raise PreconditionError(f"Kafka has no topic {name}: run `funnelproof connector apply` first")
        return topic

    async def ensure(
        self, name: str, partitions: int, settings: Mapping[str, str], replication: int = -1
    ) -> Topic:
        """Make the topic, or give an existing topic the settings. Raises as `check` does."""
        topic = await self.check(name, partitions, settings)
        if topic is None:
            try:
                new = NewTopic(name, partitions, replication, config=dict(settings))
                await self._ask(self._admin.create_topics([new], request_timeout=self._timeout)[name])
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            return await self._appeared(name)
        if any(topic.settings.get(key) != value for key, value in settings.items()):
            entries = [
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in settings.items()
            ]
            resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
            await self._ask(
                self._admin.incremental_alter_configs([resource], request_timeout=self._timeout)[resource]
            )
            topic = await self.require(name)
        return topic

    async def check(self, name: str, partitions: int, settings: Mapping[str, str]) -> Topic | None:
        """Return the topic, None if the topic is missing; change nothing.

        Raises PreconditionError if the existing topic has a different number of partitions, or if the topic should
        keep the last record of every key (`compact`), and may have deleted records by age or size (`delete`).
        """
        topic = await self.describe(name)
        if topic is None:
            return None
        if topic.partitions != partitions:
            raise PreconditionError(
                f"topic {name} has {topic.partitions} partitions, FUNNELPROOF_PARTITIONS says {partitions}: set it "
                "to the number the topic was made with, or run `funnelproof rebuild` to begin anew"
            )
        if settings.get("cleanup.policy") == "compact" and topic.deletion:
            raise PreconditionError(
                f"{topic.deletion}, and rows' records may be among them: begin anew with "
                "`funnelproof rebuild`"
            )
        return topic

    async def may_delete(self, name: str) -> bool:
        """Return True if the topic exists. Raises PreconditionError if this client may not delete the topic."""
        try:
            described = await self._ask(
                self._admin.describe_topics(
                    TopicCollection([name]), include_authorized_operations=True, request_timeout=self._timeout
                )[name]
            )
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return False
            raise
        # No operations are told where the broker has no rules.
        if described.authorized_operations and AclOperation.DELETE not in described.authorized_operations:
            raise PreconditionError(
                f"Kafka does not let this client delete the topic {name}: grant it Delete"
            )
        return True

    async def ends(self, name: str, partitions: Iterable[int], *, committed: bool) -> dict[int, int]:
        """Return the offset after the last record of every partition.

        `committed`: the end for read_committed consumers, before the first open transaction. Otherwise: the high
        watermark.
        """
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        return await self._offsets(name, partitions, OffsetSpec.latest(), level)

    async def starts(self, name: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the offset at which the log of every partition begins: above 0 once records were deleted.

        Compaction removes single records, and leaves the beginning where it is.
        """
        return await self._offsets(name, partitions, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)

    async def _offsets(
        self, name: str, partitions: Iterable[int], spec: OffsetSpec, level: IsolationLevel
    ) -> dict[int, int]:
        wanted = {TopicPartition(name, partition): spec for partition in partitions}
        for attempt in range(_ATTEMPTS):
            asked = self._admin.list_offsets(wanted, isolation_level=level, request_timeout=self._timeout)
            try:
                return {place.partition: (await self._ask(future)).offset for place, future in asked.items()}
            except KafkaException as error:  # a new or moving partition lacks a leader for a moment
                problem = error.args[0]
                if attempt == _ATTEMPTS - 1 or not (problem.retriable() or problem.code() in _LEADER_MOVED):
                    raise
                # The library would ask the former leader for minutes; fresh metadata names the new leader.
                await asyncio.to_thread(self._admin.list_topics, name, self._timeout)
                await asyncio.sleep(0.1 * attempt)
        raise AssertionError("unreachable")

    async def delete(self, names: Iterable[str]) -> None:
        """Delete the existing topics among `names`."""
        for name in [name for name in names if await self.describe(name)]:
            await self._ask(self._admin.delete_topics([name], request_timeout=self._timeout)[name])

    async def has_group(self, name: str) -> bool:
        """Return True if Kafka keeps positions or members of the consumer group."""
        listed = await self._ask(self._admin.list_consumer_groups(request_timeout=self._timeout))
        return any(group.group_id == name for group in listed.valid)

    async def delete_group(self, name: str) -> None:
        """Delete the consumer group. Raises PreconditionError if the group has members."""
        try:
            await self._ask(self._admin.delete_consumer_groups([name], request_timeout=self._timeout)[name])
        except KafkaException as error:
            if error.args[0].code() == KafkaError.NON_EMPTY_GROUP:
                raise PreconditionError(
                    f"the consumer group {name} has members: stop the workers, then run this again"
                ) from error
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise

    async def _appeared(self, name: str) -> Topic:
        for _ in range(5 * _ATTEMPTS):  # a broker learns of a new topic a moment after the controller
            topic = await self.describe(name)
            if topic is not None:
                return topic
            await asyncio.sleep(0.1)
        raise PreconditionError(f"Kafka accepted topic {name} but does not show it: look at the broker's log")

    async def _ask(self, future: "Future[Any]") -> Any:  # noqa: ANN401 - as many kinds of answer as questions
        try:
            return await asyncio.wrap_future(future)
        except KafkaException as error:
            if error.args[0].code() in _NO_ANSWER:
                raise await why_silent(self._brokers) from error
            require_allowed(error, "docs/security.md lists the rights that the user needs")
            raise
