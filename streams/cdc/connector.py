"""The Debezium connector and its topics, made from the settings."""

import asyncio
from dataclasses import dataclass, field

from streams.cdc.connect_api import Connect
from streams.cdc.connector_config import connector_config
from streams.cdc.facts_topic import make_facts_topic
from streams.cdc.topics import Topics
from streams.errors import PreconditionError
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
_ROUTED = "transforms.route.partition.topic.num"
_STARTING_SECONDS = 90.0
_TROUBLE_LENGTH = 300


@dataclass(frozen=True)
class ConnectorStatus:
    """State of the connector and of its tasks; `trouble` is the root cause of the first failure."""

    name: str
    state: str
    tasks: list[str] = field(default_factory=list)
    trouble: str | None = None

    @property
    def running(self) -> bool:
        """True if the connector and its task run."""
        return self.state == "RUNNING" and bool(self.tasks) and set(self.tasks) == {"RUNNING"}


class Connector:
    """The connector of an installation in a Kafka Connect cluster."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.instance
        self._topics = Topics(settings.kafka)
        self._connect = Connect(settings)

    async def apply(self) -> ConnectorStatus:
        """Make or update topics and connector; return once the connector runs. Raises PreconditionError if it fails."""
        settings = self._settings
        await self._require_same_routing()
        await self._topics.ensure(settings.data_topic, settings.partitions, DATA_TOPIC_SETTINGS)
        await self._topics.ensure(settings.message_topic, 1, MESSAGE_TOPIC_SETTINGS)
        await self._topics.ensure(
            settings.dead_letter_topic, 1, {"cleanup.policy": "delete", "retention.ms": "-1"}
        )
        await make_facts_topic(self._topics, settings.facts_topic)
        async with asyncio.timeout(_STARTING_SECONDS):
            while (
                await self._connect.call(
                    "PUT", f"/connectors/{self._name}/config", connector_config(settings)
                )
            ) is None:
                await asyncio.sleep(0.3)
        if (await self.status()).state in ("STOPPED", "PAUSED"):
            await self._connect.call("PUT", f"/connectors/{self._name}/resume")
        return await self._wait_until_running()

    async def status(self) -> ConnectorStatus:
        """Return the connector's status; the state of a missing connector is `ABSENT`."""
        answer = await self._connect.call("GET", f"/connectors/{self._name}/status")
        if answer is None:
            return ConnectorStatus(self._name, "ABSENT")
        traces = [
            part.get("trace", "") for part in (answer["connector"], *answer["tasks"]) if part.get("trace")
        ]
        trouble = next((_root_cause(trace) for trace in traces), None)
        states = [task["state"] for task in answer["tasks"]]
        return ConnectorStatus(self._name, answer["connector"]["state"], states, trouble)

    async def committed_lsn(self) -> int | None:
        """Return the LSN up to which Connect has noted commits as delivered to Kafka; None if Connect has no note."""
        answer = await self._connect.call("GET", f"/connectors/{self._name}/offsets")
        noted = [
            each["offset"].get("lsn_commit") for each in (answer or {}).get("offsets", ()) if each["offset"]
        ]
        return max((lsn for lsn in noted if lsn is not None), default=None)

    async def delete(self, *, topics: bool = False) -> bool:
        """Delete the connector; return True if the connector existed.

        `topics` also deletes the topics and the connector's offsets in Connect: the next connector begins with a
        snapshot of the table.
        """
        if topics:
            await self._forget_offsets()
        existed = await self._connect.call("DELETE", f"/connectors/{self._name}") is not None
        if topics:
            settings = self._settings
            heartbeats = f"__debezium-heartbeat.{settings.topic_prefix}"
            await self._topics.delete(
                [settings.data_topic, settings.message_topic, settings.dead_letter_topic, heartbeats]
            )
        return existed

    async def _require_same_routing(self) -> None:
        """Refuse a new number of partitions: the rows of a deal would lie on two partitions."""
        if await self._topics.identity(self._settings.data_topic) is None:
            return
        running = await self._connect.call("GET", f"/connectors/{self._name}/config") or {}
        before, now = running.get(_ROUTED), connector_config(self._settings)[_ROUTED]
        if before not in (None, now):
            raise PreconditionError(
                f"connector {self._name} spreads deals over {before} partitions, FUNNELPROOF_PARTITIONS says {now}: "
                f"set it to {before}, or begin anew with {now}: first run `funnelproof connector delete --topics`"
            )

    async def _forget_offsets(self) -> None:
        """Delete the connector's offsets: Connect keeps them for the next connector of equal name."""
        if await self._connect.call("PUT", f"/connectors/{self._name}/stop") is None:
            return
        offsets = f"/connectors/{self._name}/offsets"
        for _ in range(int(_STARTING_SECONDS / 0.2)):
            status = await self.status()
            if (
                status.state == "STOPPED"
                and not status.tasks
                and await self._connect.call("DELETE", offsets) is not None
            ):
                return
            await asyncio.sleep(0.2)
        raise PreconditionError(
            f"Kafka Connect did not stop connector {self._name}: see its log, then try again"
        )

    async def _wait_until_running(self) -> ConnectorStatus:
        for _ in range(int(_STARTING_SECONDS / 0.2)):
            status = await self.status()
            if status.running:
                return status
            if "FAILED" in (status.state, *status.tasks):
                raise PreconditionError(f"connector {self._name} failed: {status.trouble}")
            await asyncio.sleep(0.2)
        raise PreconditionError(
            f"connector {self._name} did not start within {_STARTING_SECONDS:.0f} s: see Connect's log"
        )


def _root_cause(trace: str) -> str:
    causes = [line for line in trace.splitlines() if line and not line.startswith(("\t", " "))]
    cause = causes[-1].removeprefix("Caused by: ") if causes else trace
    return (
        cause if len(cause) <= _TROUBLE_LENGTH else f"{cause[:_TROUBLE_LENGTH]}… (Connect's log has it all)"
    )
