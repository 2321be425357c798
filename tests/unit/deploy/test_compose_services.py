"""The services of docker-compose.yml beside the three servers: processes of this project, Prometheus, Grafana."""

import os
import re
import tomllib
from typing import Any

import pytest
import yaml

from streams.settings import PREFIX, Settings, load_settings
from tests.unit.deploy.containers import IMAGE_NAME, ROOT, own_services, services
from tests.unit.docs.test_commands import wrong_option

PROCESSES = ("worker", "alerts", "reconcile", "dashboard")
STEPS = ("migrate", "connector")


def option(service: dict[str, Any], name: str, default: str | None = None) -> str | None:
    """Return the value of an option in a service's command."""
    command = service["command"]
    return command[command.index(name) + 1] if name in command else default


def published() -> set[str]:
    """Return the ports that this machine reaches."""
    return {port.rpartition(":")[2] for port in services()["postgres"]["ports"]}


def test_one_image_of_this_version_runs_every_command_of_this_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert own_services().keys() == {*STEPS, *PROCESSES}
    for service in own_services().values():
        assert (service["image"], service["build"]) == (f"{IMAGE_NAME}:{version}", ".")
        assert wrong_option(service["command"], complete=True) is None


@pytest.mark.parametrize("name", [*STEPS, *PROCESSES])
def test_every_variable_is_a_setting_with_a_value_that_is_taken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        key: value for key, value in own_services()[name]["environment"].items() if key != "WEB_PORT"
    }
    assert {
        key for key in variables if key.removeprefix(PREFIX).lower() not in Settings.model_fields
    } == set()
    for key in [each for each in os.environ if each.startswith(PREFIX)]:
        monkeypatch.delenv(key)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    servers = services()
    assert settings.kafka == servers["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].partition("//")[2]
    postgres = servers["postgres"]["environment"]
    assert f":{postgres['POSTGRES_PASSWORD']}@127.0.0.1:5432/{postgres['POSTGRES_DB']}" in settings.source_dsn
    assert settings.dashboard_url is not None
    assert settings.dashboard_url.rpartition(":")[2] == option(own_services()["dashboard"], "--port")
    assert settings.dashboard_worker_url is not None
    assert settings.dashboard_worker_url.rpartition(":")[2] == option(own_services()["worker"], "--web-port")


def test_every_process_has_a_port_of_its_own_for_monitoring_and_its_health_check_asks_there() -> None:
    ports = {name: option(services()[name], "--web-port") for name in PROCESSES}
    assert len(set(ports.values())) == len(PROCESSES)
    assert {name: services()[name]["environment"]["WEB_PORT"] for name in PROCESSES} == ports
    # Metrics are for Prometheus, which is in the same network.
    assert published() & set(ports.values()) == set()


def test_prometheus_scrapes_every_process_and_has_the_rules() -> None:
    folder = ROOT / "deploy" / "prometheus"
    told = yaml.safe_load((folder / "prometheus.yml").read_text("utf-8"))
    targets = {
        job["job_name"]: target.rpartition(":")[2]
        for job in told["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    assert targets == {name: option(services()[name], "--web-port") for name in PROCESSES}
    assert [(folder / name).exists() for name in told["rule_files"]] == [True]
    assert "./deploy/prometheus:/etc/prometheus:ro" in services()["prometheus"]["volumes"]


def test_people_reach_the_page_grafana_and_prometheus() -> None:
    assert published() == {"5432", "9092", "8083", "8800", "3000", "9090"}
    assert option(services()["dashboard"], "--port") == "8800"


def test_no_process_begins_before_the_tables_and_the_connector_are_there() -> None:
    own = own_services()
    assert own["connector"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    for name in ("worker", "alerts"):
        assert own[name]["depends_on"]["connector"]["condition"] == "service_completed_successfully"
    assert own["reconcile"]["depends_on"]["worker"]["condition"] == "service_healthy"
    for name in STEPS:
        assert (own[name]["restart"], own[name]["healthcheck"]) == ("no", {"disable": True})


def test_the_plain_stack_stays_three_servers_and_every_foreign_image_is_pinned() -> None:
    plain = {name for name, service in services().items() if "profiles" not in service}
    assert plain == {"postgres", "kafka", "connect"}
    for name in ("prometheus", "grafana"):
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", services()[name]["image"])
