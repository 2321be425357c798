"""The contract with faust and aiokafka."""

import ast
from pathlib import Path

import pytest

import streams.engine
from streams.engine import private

SOURCES = [path for path in Path(streams.engine.__file__).parent.glob("*.py") if path.name != "private.py"]
TREES = [ast.parse(path.read_text("utf-8")) for path in SOURCES]
LISTED = {name for entry in private.PRIVATE for name in entry.names}


def private_names(*, own: bool) -> set[str]:
    """Return the underscored names that are reached into (or, if own, defined) by the engine."""
    nodes = [node for tree in TREES for node in ast.walk(tree)]
    defined = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    declared = {n.target.id for n in nodes if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    assigned = {
        target.attr
        for n in nodes
        if isinstance(n, ast.Assign | ast.AnnAssign)
        for target in (n.targets if isinstance(n, ast.Assign) else [n.target])
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    } | {t.id for n in nodes if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    reached = {n.attr for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n) != "os._exit"}
    names = defined | declared | assigned if own else reached
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_the_installed_faust_and_aiokafka_have_what_the_engine_uses() -> None:
    assert private.problems() == []


def test_everything_private_that_the_engine_touches_is_listed() -> None:
    assert private_names(own=False) - private_names(own=True) <= LISTED


def test_nothing_is_listed_that_the_engine_no_longer_touches() -> None:
    assert private_names(own=False) | private_names(own=True) >= LISTED


def test_a_missing_attribute_and_another_version_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "VERSIONS", {"aiokafka": "9.9"})
    monkeypatch.setattr(
        private, "PRIVATE", (private.Private("aiokafka.consumer.fetcher", "Fetcher", ("_gone", "_records")),)
    )
    version, gone = private.problems()
    assert "written for aiokafka 9.9" in version
    assert "Fetcher has no _gone any more" in gone
