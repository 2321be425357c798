"""The servers in containers: images and settings are those of docker-compose.yml.

As there, all share one network, so that every address means the same inside and outside. The ports are free ones,
so a stack that somebody works with is not touched. testcontainers removes everything when the session ends or dies.
"""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import docker
import httpx
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

HOST = "127.0.0.1"
COMPOSE = Path(__file__).parent.parent / "docker-compose.yml"


def docker_answers() -> bool:
    """Whether a Docker engine runs on this machine."""
    try:
        client = docker.from_env(timeout=5)
    except (DockerException, OSError):
        return False
    try:
        return bool(client.ping()) and client.api.base_url.startswith("http+docker")  # a local socket
    except (DockerException, OSError):
        return False
    finally:
        client.close()


class ContainerServers:
    """The three servers; Postgres holds the network of all, so it is always the first to start."""

    def __init__(self, running: ExitStack) -> None:
        self._running = running
        self._postgres_port, self._kafka_port, self._connect_port = _free_ports(3)
        server = self._container("postgres")
        server.with_command([*_service("postgres")["command"], f"--port={self._postgres_port}"])
        for port in (self._postgres_port, self._kafka_port):
            server.with_bind_ports(port, port)
        self._postgres = running.enter_context(server.with_bind_ports(8083, self._connect_port))
        self._password = server.env["POSTGRES_PASSWORD"]

    @cached_property
    def postgres_dsn(self) -> str:
        # By address: while it initialises, the server listens on its socket only.
        ready = ["pg_isready", f"--host={HOST}", f"--port={self._postgres_port}"]
        _wait_until("postgres", lambda: self._postgres.exec(ready).exit_code == 0)
        return f"postgresql://postgres:{self._password}@{HOST}:{self._postgres_port}/postgres"

    @cached_property
    def kafka(self) -> str:
        address = f"{HOST}:{self._kafka_port}"
        self._share_network(
            self._container("kafka").with_envs(
                KAFKA_LISTENERS=f"PLAINTEXT://:{self._kafka_port},CONTROLLER://{HOST}:9093",
                KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{address}",
            )
        )
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        _wait_until("kafka", lambda: bool(admin.list_topics(timeout=2).brokers))
        return address

    @cached_property
    def connect_url(self) -> str:
        self._share_network(self._container("connect").with_envs(BOOTSTRAP_SERVERS=self.kafka))
        url = f"http://{HOST}:{self._connect_port}"
        _wait_until("connect", lambda: httpx.get(f"{url}/health", timeout=2, trust_env=False).is_success)
        return url

    def _container(self, name: str) -> DockerContainer:
        service = _service(name)
        return DockerContainer(service["image"]).with_envs(**service["environment"])

    def _share_network(self, container: DockerContainer) -> None:
        network = f"container:{self._postgres.get_wrapped_container().id}"
        self._running.enter_context(container.with_kwargs(network_mode=network))


@cache
def _service(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load(COMPOSE.read_text("utf-8"))["services"][name])


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_until(name: str, ready: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except (KafkaException, httpx.HTTPError, DockerException):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"the container of {name} does not answer after {seconds:.0f} s")
        time.sleep(0.1)
