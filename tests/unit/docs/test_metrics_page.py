"""The page of operations beside the registries: every metric is explained, and every explained metric exists."""

import re

import pytest

from tests.unit.docs.pages import DOCS
from tests.unit.operations.scrapes import every_registry, metrics_of

PAGE = (DOCS / "operations.md").read_text("utf-8")
EXPLAINED = set(re.findall(r"^\| `(funnelproof_\w+)` \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("process", ["worker", "alerts", "reconcile", "dashboard"])
def test_every_metric_is_explained(process: str) -> None:
    names = metrics_of(every_registry()[process])
    assert len(names) > 7
    assert names - EXPLAINED == set()


def test_every_explained_metric_exists() -> None:
    assert EXPLAINED - set().union(*map(metrics_of, every_registry().values())) == set()
