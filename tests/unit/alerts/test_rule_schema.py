"""The JSON Schema of rule files is made from the models, and the page has every key and examples that hold."""

import json
import re
import tomllib
from typing import Any

import jsonschema
import pytest

from streams.alerts.addresses import RECEIVERS
from streams.alerts.json_schema import json_schema
from streams.alerts.mistakes import check, keys_of
from streams.alerts.rules import KINDS, Rules
from tests.unit.docs.pages import DOCS, ROOT

SCHEMA = (ROOT / "schemas" / "alert-rules" / "rules.schema.json").read_text("utf-8")
PAGE = (DOCS / "alert-rules.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WINDOWS = ("hour", "day", "week", "month")
RULE = {"name": "a", "kind": "drop"}


def refusals(given: object) -> int:
    validator: Any = jsonschema.Draft202012Validator(json.loads(SCHEMA))
    return len(list(validator.iter_errors(given)))


def test_the_schema_is_that_of_the_models() -> None:
    assert json_schema() == SCHEMA, "run: python -m streams.alerts.json_schema"
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page_holds_for_the_models_and_for_the_schema(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r'"env:(\w+)"', example):
        monkeypatch.setenv(name, "slack://a/b/c")
    given = tomllib.loads(example)
    assert isinstance(check(given, WINDOWS, ("kafka",)), Rules)
    assert refusals(given) == 0


def test_the_page_has_examples_of_all_kinds() -> None:
    given = [tomllib.loads(example) for example in EXAMPLES]
    assert {rule["kind"] for each in given for rule in each.get("rule", ())} == KINDS.keys()
    keys = {key for each in given for receiver in each.get("receivers", {}).values() for key in receiver}
    assert keys > RECEIVERS.keys()


@pytest.mark.parametrize("kind", [*KINDS, *RECEIVERS])
def test_the_page_has_every_key(kind: str) -> None:
    model = KINDS.get(kind) or RECEIVERS[kind]
    assert [key for key in keys_of(model) if f"| `{key}` |" not in PAGE] == []


def test_the_page_names_defaults_as_the_models_have_them() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| `?([^|`]*)`? \|", PAGE, re.MULTILINE))
    for model in KINDS.values():
        for name, field in model.model_fields.items():
            if not field.is_required() and field.default is not None and name != "drop":
                default = list(field.default) if isinstance(field.default, tuple) else field.default
                assert rows[field.alias or name] == json.dumps(default), name


@pytest.mark.parametrize(
    "given",
    [
        {"rules": []},
        {"rule": [{"name": "a"}]},
        {"rule": [RULE | {"kind": "dropp"}]},
        {"rule": [RULE | {"drop": 0.3}]},
        {"rule": [RULE | {"drop": "30"}]},
        {"rule": [RULE | {"for": "soon"}]},
        {"rule": [RULE | {"rate": "20%"}]},
        {"rule": [RULE | {"false_alarms": "some"}]},
        {"rule": [RULE | {"pairs": [["a"]]}]},
        {"receivers": {"x": {}}},
        {"receivers": {"x": {"apprise": "a", "webhook": "b", "secret": "c"}}},
    ],
)
def test_an_editor_that_knows_the_schema_marks_a_mistake_of_form(given: object) -> None:
    assert refusals(given) > 0
