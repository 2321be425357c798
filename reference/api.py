"""The page of the API: the operations and objects of the OpenAPI document, and the addresses beside the API."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from reference.json_schema import Schema, form_of, link_to, linked_table, name_of, title_of
from reference.markdown import code, first_paragraph, page, table
from streams.settings import Settings
from streams.web.site import create_site

OPERATIONS = Path(__file__).parent.parent / "streams" / "operations"
INTRODUCTION = """\
`funnelproof dashboard` serves the API beside the page; the OpenAPI 3.1 document is at `/api/openapi.json`. [The
API](../dashboard.md#the-api) says how to page, to compare with an ETag, and to sign in. A failed request is
answered by a [problem](#problem)."""
ANSWER = ("status", "answer", "object")
PAGES = "## The page\n\nAddresses for browsers, without a promise for programs:"


def api_page() -> str:
    """Return the page."""
    site = create_site(Settings())
    document = site.openapi()
    definitions = document["components"]["schemas"]
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    everywhere = set.intersection(*(set(_answers(each)) for each in operations.values()))
    objects = (
        part
        for name, each in sorted(definitions.items())
        if "properties" in each
        for part in (f"### {title_of(name)}", each.get("description", ""), linked_table(each, definitions))
    )
    return page(
        "API",
        INTRODUCTION,
        "## Operations",
        "Every operation may answer, beside its own answers:",
        table(ANSWER, sorted(everywhere)),
        *(
            part
            for name, each in operations.items()
            for part in _operation(name, each, definitions, everywhere)
        ),
        "## Objects",
        *objects,
        PAGES,
        _address_table(page_addresses(site)),
        *_sites(),
    )


def _operation(
    name: str, operation: Schema, definitions: Mapping[str, Schema], everywhere: Collection[Sequence[str]]
) -> Iterator[str]:
    yield f"### {name}"
    yield operation["description"]
    if parameters := operation.get("parameters"):
        rows = (_parameter(each, definitions) for each in parameters)
        yield table(("parameter", "form", "default", "meaning"), rows)
    yield table(ANSWER, sorted(each for each in _answers(operation) if each not in everywhere))


def _answers(operation: Schema) -> Iterator[tuple[str, str, str]]:
    for status, answer in operation["responses"].items():
        names = (
            name_of(each["schema"]) for each in answer.get("content", {}).values() if "$ref" in each["schema"]
        )
        yield status, answer["description"], ", ".join(map(link_to, names))


def _parameter(parameter: Schema, definitions: Mapping[str, Schema]) -> tuple[str, str, str, str]:
    schema = parameter["schema"]
    default = "required" if parameter["required"] else code(schema.get("default") or "")
    form = form_of(schema, definitions).removesuffix(" or null")
    return code(parameter["name"]), form, default, parameter.get("description", "")


def page_addresses(site: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and meaning of every address that the OpenAPI document leaves out."""
    for route in _flat(site.routes):
        if not route.include_in_schema:
            methods = ", ".join(sorted(route.methods - {"HEAD"}))
            text = (
                "Return the OpenAPI document." if route.path == site.openapi_url else route.endpoint.__doc__
            )
            yield methods, route.path, first_paragraph(text)


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield the routes, with those of included routers, which FastAPI keeps as one entry."""
    for route in routes:
        included = getattr(route, "original_router", None)
        yield from [route] if included is None else _flat(included.routes)


def _sites() -> Iterator[str]:
    """Yield a section for every site of aiohttp: its addresses with the docstrings of the methods that answer."""
    for path in sorted(OPERATIONS.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if rows := list(site_addresses(tree)):
            title, _, _ = first_paragraph(ast.get_docstring(tree)).partition(":")
            yield f"## {title}"
            yield _address_table(rows)


def site_addresses(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and meaning of every `web.get(path, self.name)` of a module."""
    answers = {each.name: each for each in ast.walk(tree) if isinstance(each, ast.AsyncFunctionDef)}
    for each in ast.walk(tree):
        match each:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="web"), attr="get" | "post" as method),
                args=[ast.Constant(value=str(path)), ast.Attribute(attr=name)],
            ):
                yield method.upper(), path, first_paragraph(ast.get_docstring(answers[name]))


def _address_table(rows: Iterable[tuple[str, str, str]]) -> str:
    return table(("method", "address", "answer"), ((method, code(path), text) for method, path, text in rows))
