"""A Kafka Connect worker with Debezium in a folder, exactly-once for sources."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from streams.local import ports
from streams.local.jars import JarCache
from streams.local.java import java, write_properties
from streams.local.process import Launch
from streams.local.server import Server

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Takes no time to make: httpx would read all authorities of the machine for each look at a server that starts."""
_JSON = "org.apache.kafka.connect.json.JsonConverter"
SETTINGS: Mapping[str, str] = {
    "group.id": "connect",
    "exactly.once.source.support": "enabled",
    "connector.client.config.override.policy": "All",
    "offset.flush.interval.ms": "500",
    "scheduled.rebalance.max.delay.ms": "0",
    "plugin.discovery": "service_load",
    "key.converter": _JSON,
    "value.converter": _JSON,
    "key.converter.schemas.enable": "false",
    "value.converter.schemas.enable": "false",
    "config.storage.topic": "connect-configs",
    "offset.storage.topic": "connect-offsets",
    "status.storage.topic": "connect-status",
    # A single broker holds the only copy, and a single worker needs few partitions.
    "config.storage.replication.factor": "1",
    "offset.storage.replication.factor": "1",
    "status.storage.replication.factor": "1",
    "offset.storage.partitions": "1",
    "status.storage.partitions": "1",
}


class Connect(Server):
    """A Kafka Connect worker; `kafka` returns the bootstrap servers at the worker's start.

    `settings` add to `SETTINGS`, for example the worker's own way to a secured Kafka.
    """

    name = "connect"

    def __init__(
        self,
        folder: Path,
        jars: JarCache,
        kafka: Callable[[], str],
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        self._settings = {**SETTINGS, **(settings or {})}
        self._jars = jars
        self._kafka = kafka

    @property
    def address(self) -> str:
        """The URL of the REST interface."""
        return f"http://{ports.HOST}:{ports.read(self.ports_file)[0]}"

    def healthy(self) -> bool:
        """Return true if the worker has joined its group and serves requests."""
        try:
            return self.ports_file.exists() and _get(f"{self.address}/health").is_success
        except httpx.HTTPError:
            return False

    def _prepare(self) -> Launch:
        (port,) = ports.claim(self.ports_file, 1)
        properties = write_properties(
            self.folder / "connect.properties",
            {
                **self._settings,
                "bootstrap.servers": self._kafka(),
                "listeners": f"http://{ports.HOST}:{port}",
            },
        )
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return java(self.folder, self._jars.class_path(), main, properties)


def _get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=2, verify=_NO_TLS, trust_env=False)
