"""The rules for Prometheus: what they say of invented series, and that their metrics exist."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.unit.docs.pages import DOCS
from tests.unit.operations.scrapes import every_registry

FOLDER = Path(__file__).parents[3] / "deploy" / "prometheus"
RULES = FOLDER / "funnelproof.rules.yml"


def promtool() -> str:
    """Return the program, or skip the test."""
    found = os.environ.get("FUNNELPROOF_TEST_PROMTOOL") or shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool is installed: apt-get install prometheus")
    return found


def test_the_rules_fire_when_they_should_and_only_then() -> None:
    answer = subprocess.run(
        [promtool(), "test", "rules", "funnelproof.test.yml"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_rule_is_tested_both_ways() -> None:
    rules = yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
    tests = yaml.safe_load((FOLDER / "funnelproof.test.yml").read_text("utf-8"))["tests"]
    looks = [look for test in tests for look in test["alert_rule_test"]]
    for fires in (True, False):
        tested = {look["alertname"] for look in looks if bool(look["exp_alerts"]) == fires}
        assert tested == {rule["alert"] for rule in rules}


def test_every_metric_of_the_rules_exists() -> None:
    known = {
        sample.name
        for registry in every_registry().values()
        for family in registry.collect()
        for sample in family.samples
    }
    named = set(re.findall(r"\bfunnelproof_\w+", RULES.read_text("utf-8")))
    assert named <= known
    assert len(named) > 20


def test_the_page_of_operations_explains_every_rule() -> None:
    page = (DOCS / "operations.md").read_text("utf-8").partition("## What to alert on")[2]
    explained = re.findall(r"`(Funnelproof\w+)`", page.partition("\n## ")[0])
    rules = yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
    assert set(explained) == {rule["alert"] for rule in rules}


def test_prometheus_takes_the_configuration() -> None:
    answer = subprocess.run(
        [promtool(), "check", "config", "prometheus.yml"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
