"""The dashboard for Grafana and its provisioning: every expression, every metric, every panel."""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.containers import ROOT, services
from tests.unit.deploy.test_prometheus_rules import promtool
from tests.unit.operations.scrapes import every_registry, metrics_of

FOLDER = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboards" / "funnelproof.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
UNSHOWN = {
    "funnelproof_partition_position": "an offset tells nothing by itself; the panels of records behind tell the rest",
}
"""Metrics without a panel, each with the reason."""
OF_PROMETHEUS = {"instance", "job", "le"}
"""The labels that Prometheus adds, and that of a histogram's buckets."""
_FOREIGN = {"process_resident_memory_bytes", "process_cpu_seconds_total", "up"}
_NAME = re.compile(r"\b(?:funnelproof|process)_\w+|\bup\b")


def expressions() -> list[tuple[str, str]]:
    """Return every expression with its legend."""
    return [(each["expr"], each["legendFormat"]) for panel in PANELS for each in panel["targets"]]


def with_values(expression: str) -> str:
    """Return the expression as Prometheus gets it from Grafana."""
    for variable, value in (("$__rate_interval", "1m"), ("$__range", "1h")):
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


def labels_by_sample() -> dict[str, set[str]]:
    """Return the labels of every sample that a process shows."""
    found: dict[str, set[str]] = {}
    for registry in every_registry().values():
        for family in registry.collect():
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_expression_is_understood_by_prometheus(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": with_values(expression)}
        for number, (expression, _) in enumerate(expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    answer = subprocess.run(
        [promtool(), "check", "rules", file.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(rules)} rules found" in answer.stdout


@pytest.mark.parametrize(("expression", "legend"), expressions())
def test_an_expression_names_metrics_and_labels_that_exist(expression: str, legend: str) -> None:
    known = labels_by_sample()
    named = set(_NAME.findall(expression))
    assert named
    assert named - known.keys() - _FOREIGN == set()
    labels = set().union(*(known.get(name, set()) for name in named)) | OF_PROMETHEUS
    grouped = {each for text in re.findall(r"by \(([^)]*)\)", expression) for each in text.split(", ")}
    matched = set(re.findall(r"(\w+)=~?\"", expression))
    assert (grouped | matched) - labels == set()
    told = set(re.findall(r"{{(\w+)}}", legend))
    assert told <= (grouped or labels)


def test_every_metric_has_a_panel_or_a_reason_to_have_none() -> None:
    named = {
        re.sub(r"_bucket$", "", name) for expression, _ in expressions() for name in _NAME.findall(expression)
    }
    known = set().union(*map(metrics_of, every_registry().values()))
    assert known - named == UNSHOWN.keys()


def test_every_panel_has_an_id_of_its_own_a_unit_and_plain_words() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(PANELS) > 40
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert re.fullmatch(r"\w.{20,}\.", panel["description"]), panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


def test_no_panel_lies_on_another() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        assert (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        ), (one, other)  # fmt: skip


def test_grafana_finds_the_dashboard_and_prometheus() -> None:
    (source,) = read("datasources/prometheus.yml")["datasources"]
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert source["type"] == "prometheus"
    assert f"127.0.0.1:{source['url'].rpartition(':')[2]}:9090" in services()["postgres"]["ports"]
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    (provider,) = read("dashboards/funnelproof.yml")["providers"]
    grafana = services()["grafana"]
    mounts = dict(mount.split(":")[:2] for mount in grafana["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])
    assert (FOLDER / "dashboards" / home.name).exists()


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "provisioning" / name).read_text("utf-8"))
    return found
