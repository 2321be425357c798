"""A Kafka broker in a folder: its own controller, loopback only, small files."""

import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.brokers import Brokers
from streams.local import ports
from streams.local.jars import JarCache
from streams.local.java import java, write_properties
from streams.local.process import Launch
from streams.local.server import Server, StartError

SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A killed broker can register again only after the session of the killed process has timed out.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # A single node holds the only copy of every partition.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A handful of clients: few internal partitions, for a quick start.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    # Small on disk and in memory.
    "log.segment.bytes": "16777216",
    "log.index.size.max.bytes": "1048576",
    "log.cleaner.dedupe.buffer.size": "16777216",
}


class Kafka(Server):
    """A Kafka broker, ready as soon as `start` returns.

    `access` makes the way to the broker from the broker's address: a listener with TLS or SASL needs its `settings`,
    and clients that know the listener.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        jars: JarCache,
        settings: Mapping[str, str] | None = None,
        access: Callable[[str], Brokers] = Brokers,
    ) -> None:
        super().__init__(folder)
        self._jars = jars
        self._settings = settings or {}
        self._access = access

    @property
    def address(self) -> str:
        """The bootstrap server: host and port."""
        return f"{ports.HOST}:{ports.read(self.ports_file)[0]}"

    @property
    def brokers(self) -> Brokers:
        """The way to the broker."""
        return self._access(self.address)

    def healthy(self) -> bool:
        """Return true if the broker answers a metadata request and has registered itself."""
        if not self.ports_file.exists():
            return False
        # The client is quiet, because the broker may be down.
        client = AdminClient(self.brokers.confluent())
        try:
            return bool(client.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def _prepare(self) -> Launch:
        client, controller = (f"{ports.HOST}:{port}" for port in ports.claim(self.ports_file, 2))
        protocol = self._access(client).protocol
        data = self.folder / "data"
        properties = write_properties(
            self.folder / "kafka.properties",
            {
                **SETTINGS,
                "listeners": f"{protocol}://{client},CONTROLLER://{controller}",
                "advertised.listeners": f"{protocol}://{client}",
                "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{protocol}:{protocol}",
                "controller.quorum.voters": f"1@{controller}",
                "log.dirs": str(data),
                **self._settings,
            },
        )
        class_path = self._jars.class_path()
        if not (data / "meta.properties").exists():
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "a")
            tool = ["format", "--ignore-formatted", "-t", cluster, "-c"]
            _run(java(self.folder, class_path, "kafka.tools.StorageTool", *tool, properties))
        return java(self.folder, class_path, "kafka.Kafka", properties)


def _run(launch: Launch) -> None:
    done = subprocess.run(  # noqa: S603 - the program's own Java
        launch.command,
        env=launch.environment,
        cwd=launch.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise StartError(f"Kafka's storage could not be formatted in {launch.folder}: {done.stdout.strip()}")
