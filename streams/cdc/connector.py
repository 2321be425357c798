"""The Debezium connector and its topics, made from the settings."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from string import Template
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from streams.cdc.facts_topic import make_facts_topic
from streams.cdc.topics import Topics
from streams.errors import PreconditionError, UnreachableError
from streams.resources import schema
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
_BUSY = 409  # Connect is rebalancing
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


def connector_config(settings: Settings) -> dict[str, str]:
    """Return the connector's configuration: `schemas/connectors/stage_state.json`, filled in from the settings."""
    dsn = urlsplit(settings.cdc_dsn or settings.source_dsn)
    values = {
        "host": dsn.hostname or "127.0.0.1",
        "port": str(dsn.port or 5432),
        "user": unquote(dsn.username or "postgres"),
        "password": unquote(dsn.password or ""),
        "database": unquote(dsn.path.lstrip("/")) or "postgres",
        "topic_prefix": settings.topic_prefix,
        "instance": settings.instance,
        "marker_prefix": settings.marker_prefix,
        "partitions": str(settings.partitions),
    }
    template: dict[str, str] = json.loads(schema("connectors/stage_state.json"))
    return {key: Template(value).substitute(values) for key, value in template.items()}


@cache
def _tls_context() -> ssl.SSLContext:
    """Return a shared TLS context: a context takes a tenth of a second to make, and workers call every two seconds."""
    return httpx.create_ssl_context(trust_env=False)


class Connector:
    """The connector of an installation in a Kafka Connect cluster."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.instance
        self._topics = Topics(settings.kafka)

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
                await self._call("PUT", f"/connectors/{self._name}/config", connector_config(settings))
            ) is None:
                await asyncio.sleep(0.3)
        if (await self.status()).state in ("STOPPED", "PAUSED"):
            await self._call("PUT", f"/connectors/{self._name}/resume")
        return await self._wait_until_running()

    async def status(self) -> ConnectorStatus:
        """Return the connector's status; the state of a missing connector is `ABSENT`."""
        answer = await self._call("GET", f"/connectors/{self._name}/status")
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
        answer = await self._call("GET", f"/connectors/{self._name}/offsets")
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
        existed = await self._call("DELETE", f"/connectors/{self._name}") is not None
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
        running = await self._call("GET", f"/connectors/{self._name}/config") or {}
        before, now = running.get(_ROUTED), connector_config(self._settings)[_ROUTED]
        if before not in (None, now):
            raise PreconditionError(
                f"connector {self._name} spreads deals over {before} partitions, FUNNELPROOF_PARTITIONS says {now}: "
                f"set it to {before}, or begin anew with {now}: first run `funnelproof connector delete --topics`"
            )

    async def _forget_offsets(self) -> None:
        """Delete the connector's offsets: Connect keeps them for the next connector of equal name."""
        if await self._call("PUT", f"/connectors/{self._name}/stop") is None:
            return
        offsets = f"/connectors/{self._name}/offsets"
        for _ in range(int(_STARTING_SECONDS / 0.2)):
            status = await self.status()
            if (
                status.state == "STOPPED"
                and not status.tasks
                and await self._call("DELETE", offsets) is not None
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

    async def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return Connect's answer; None for "not found" and for "busy, ask again"."""
        url = self._settings.connect_url.rstrip("/")
        try:
            async with httpx.AsyncClient(timeout=30, trust_env=False, verify=_tls_context()) as client:
                answer = await client.request(method, url + path, json=body)
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"Kafka Connect does not answer at {url}: start it, or set FUNNELPROOF_CONNECT_URL"
            ) from error
        if answer.status_code in (404, _BUSY):
            return None
        if answer.is_error:
            raise PreconditionError(
                f"Kafka Connect refused the connector: {answer.json().get('message', answer.text)}"
            )
        return answer.json() if answer.content else {}


def _root_cause(trace: str) -> str:
    causes = [line for line in trace.splitlines() if line and not line.startswith(("\t", " "))]
    cause = causes[-1].removeprefix("Caused by: ") if causes else trace
    return (
        cause if len(cause) <= _TROUBLE_LENGTH else f"{cause[:_TROUBLE_LENGTH]}… (Connect's log has it all)"
    )
