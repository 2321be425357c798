"""docker-compose.yml gives the same stack in containers; what can be checked without a container engine is here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.local import connect, kafka, postgres
from streams.local.jars import locked_jars

# The image has names of its own for these; it overwrites CONNECT_... with their defaults.
_CONNECT_NAMES = {
    "group.id",
    "config.storage.topic",
    "offset.storage.topic",
    "status.storage.topic",
    "key.converter",
    "value.converter",
    "offset.flush.interval.ms",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    root = Path(__file__).parents[3]
    services: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text("utf-8"))["services"]
    return {name: service for name, service in services.items() if "profiles" not in service}


def variable(prefix: str, name: str) -> str:
    return prefix + name.upper().replace(".", "_")


def test_every_image_is_pinned_to_the_version_that_the_embedded_stack_runs(services: dict[str, Any]) -> None:
    versions = {jar.artifact: jar.version for jar in locked_jars()}
    assert services["kafka"]["image"] == f"apache/kafka:{versions['kafka_2.13']}"
    assert services["connect"]["image"].endswith(f":{versions['debezium-connector-postgres']}")
    assert re.fullmatch(r"postgres:18\.\d+", services["postgres"]["image"])


def test_every_service_has_a_health_check_and_waits_for_the_health_of_others(
    services: dict[str, Any],
) -> None:
    assert all(service["healthcheck"]["test"] for service in services.values())
    waited = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    assert waited == {"postgres": set(), "kafka": {"postgres"}, "connect": {"postgres", "kafka"}}
    assert all(
        needed["condition"] == "service_healthy"
        for service in services.values()
        for needed in service.get("depends_on", {}).values()
    )


def test_every_port_is_for_this_machine_only(services: dict[str, Any]) -> None:
    published = {port for service in services.values() for port in service.get("ports", [])}
    assert {"127.0.0.1:5432:5432", "127.0.0.1:8083:8083", "127.0.0.1:9092:9092"} <= published
    assert {port for port in published if not port.startswith("127.0.0.1:")} == set()


def test_kafka_has_the_settings_of_the_embedded_one(services: dict[str, Any]) -> None:
    given = services["kafka"]["environment"]
    for name, value in kafka.SETTINGS.items():
        assert given.get(variable("KAFKA_", name)) == value, name


def test_connect_has_the_settings_of_the_embedded_one(services: dict[str, Any]) -> None:
    given = services["connect"]["environment"]
    for name, value in connect.SETTINGS.items():
        assert given.get(variable("" if name in _CONNECT_NAMES else "CONNECT_", name)) == value, name


def test_postgres_has_the_settings_of_the_embedded_one_and_the_tables_of_the_crm(
    services: dict[str, Any],
) -> None:
    service = services["postgres"]
    assert service["command"][1:] == [f"--{name}={value}" for name, value in postgres.SETTINGS.items()]
    assert any(
        mount.startswith("./sql/local/crm.sql:/docker-entrypoint-initdb.d/") for mount in service["volumes"]
    )
