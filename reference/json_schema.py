"""Fields of JSON schemas, as rows of tables."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reference.markdown import code, codes, table

Schema = Mapping[str, Any]
_FORMS = {"string": "text", "integer": "whole number", "date-time": "instant", "uuid": "UUID"}
HEAD = ("field", "form", "meaning")


def nested_table(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Return a row for every field of an object, and of the objects within."""
    return table(HEAD, _nested(schema, definitions, "", ()))


def linked_table(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Return a row for every field of an object; an object within is a link to the heading with the object's name."""
    linked = {
        name: {"type": link_to(name)} if "properties" in each else each for name, each in definitions.items()
    }
    return table(HEAD, (_row(name, field, schema, linked) for name, field in schema["properties"].items()))


def form_of(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Return the form of a value, in a few words."""
    if "$ref" in schema:
        return form_of(definitions[name_of(schema)], definitions)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(form_of(each, definitions) for each in schema["anyOf"]))
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return codes(json.dumps(each).strip('"') for each in schema["enum"])
    kinds = schema.get("format") or schema.get("type", "any")
    if kinds == "array":
        return f"list of {form_of(schema['items'], definitions)}"
    return " or ".join(_FORMS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def title_of(name: str) -> str:
    """Return a definition's name for people: FastAPI calls a page of runs `Page_Run_`."""
    return re.sub(r"^Page_(\w+)_$", r"Page of \1", name)


def link_to(name: str) -> str:
    """Return a link to the heading of a definition."""
    title = title_of(name)
    return f"[{title}](#{title.lower().replace(' ', '-')})"


def name_of(schema: Schema) -> str:
    """Return the name of the definition that the schema refers to."""
    return str(schema["$ref"]).rpartition("/")[2]


def _row(name: str, field: Schema, owner: Schema, definitions: Mapping[str, Schema]) -> tuple[str, str, str]:
    target = definitions[name_of(field)] if "$ref" in field else field
    meaning = field.get("description", target.get("description", ""))
    optional = "" if name.rpartition(".")[2] in owner.get("required", ()) else ", optional"
    return code(name), form_of(field, definitions) + optional, " ".join(meaning.split())


def _nested(
    schema: Schema, definitions: Mapping[str, Schema], prefix: str, within: tuple[str, ...]
) -> Iterator[tuple[str, str, str]]:
    for name, field in schema.get("properties", {}).items():
        yield _row(prefix + name, field, schema, definitions)
        yield from _within(field, definitions, prefix + name, within)


def _within(
    field: Schema, definitions: Mapping[str, Schema], name: str, within: tuple[str, ...]
) -> Iterator[tuple[str, str, str]]:
    """Yield the fields of the objects that a field holds; a definition within itself is not repeated."""
    if field.get("type") == "array":
        field, name = field["items"], f"{name}[]"
    for each in field.get("anyOf", (field,)):
        if "$ref" not in each:
            yield from _nested(each, definitions, f"{name}.", within)
        elif (definition := name_of(each)) not in within:
            yield from _nested(definitions[definition], definitions, f"{name}.", (*within, definition))
