"""The tour and the glossary name files and functions; a rename must not leave them behind."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.unit.docs.pages import DOCS, PAGES, ROOT, inline_code, name_of, prose

TOUR = DOCS / "tour.md"
GLOSSARY = DOCS / "glossary.md"
PICTURES = DOCS / "pictures"
_ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
_PATH = re.compile(r"(?:streams|sql|schemas|tests|bench|docs)/[\w./-]*")
_FILE_WITH_NAMES = re.compile(r"`(streams/[\w/]+\.pyx?)`((?:(?:,| and)?\s+`[A-Za-z_][\w.]*`)+)")
_IN_PYX = re.compile(r"^(?:cdef |cpdef )?(?:class|def) (\w+)", re.MULTILINE)
_METHOD = re.compile(r"\b[A-Z]\w+\.[a-z]\w+\b")


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return what a module defines: `name`, and `Class.member` for methods, fields and properties."""
    text = path.read_text("utf-8")
    if path.suffix == ".pyx":
        return frozenset(_IN_PYX.findall(text))
    return frozenset(_defined(ast.parse(text).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.ClassDef(name=name, body=members):
                yield prefix + name
                yield from _defined(members, f"{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.Assign(targets=targets):
                yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name


def named_functions(page: Path) -> list[tuple[Path, str]]:
    """Return every function that the page names right behind its file."""
    return [
        (ROOT / file, name)
        for file, names in _FILE_WITH_NAMES.findall(prose(page))
        for name in re.findall(r"`([^`]+)`", names)
    ]


@pytest.mark.parametrize("page", [TOUR, GLOSSARY], ids=name_of)
def test_every_function_that_is_named_with_its_file_is_there(page: Path) -> None:
    named = named_functions(page)
    assert len(named) > 40
    assert [
        f"{path.relative_to(ROOT)} {name}"
        for path, name in named
        if not path.exists() or name not in names_in(path)
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    paths = [code for code in inline_code(page) if _PATH.fullmatch(code)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_tour_leads_to_every_package() -> None:
    packages = {f"streams/{path.parent.name}/" for path in ROOT.glob("streams/*/__init__.py")}
    assert len(packages) > 10
    assert packages - set(inline_code(TOUR)) == set()


def test_the_tour_answers_what_a_newcomer_asks_first() -> None:
    text = prose(TOUR)
    for question in ("an event refused", "facts written", "stops a zombie", "a new alert hook in"):
        assert question in text


def test_a_method_that_the_tour_names_without_its_file_is_somewhere() -> None:
    everywhere = set().union(*map(names_in, ROOT.glob("streams/**/*.py")))
    assert {code for code in inline_code(TOUR) if _METHOD.fullmatch(code)} - everywhere == set()


def test_the_glossary_is_in_order_and_says_where_each_word_is_defined() -> None:
    rows = [row for row in _ROW.findall(prose(GLOSSARY)) if row[0] != "word"]
    words = [word.lower() for word, _ in rows]
    assert len(words) > 60
    assert words == sorted(set(words))
    assert [word for word, place in rows if not place.startswith(("`streams/", "`sql/"))] == []


@pytest.mark.parametrize("source", sorted(PICTURES.glob("*.txt")), ids=name_of)
def test_a_picture_names_methods_that_exist(source: Path) -> None:
    boxes = "\n".join(line for line in source.read_text("utf-8").splitlines() if line.startswith("box"))
    everywhere = set().union(*map(names_in, ROOT.glob("streams/**/*.py")))
    assert set(_METHOD.findall(boxes)) - everywhere == set()
