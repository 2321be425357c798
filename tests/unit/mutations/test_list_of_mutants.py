"""The list of faults fits the code: whoever moves code that a fault changes is told so at once."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.mutations.catalogue import ROOT, MovedError, Mutant, mutants, page_table

PAGE = ROOT / "docs/decisions/mutants.md"
MUTANTS = [each for some in mutants().values() for each in some]


def names_of_tests(path: Path) -> set[str]:
    """Return the names of the tests in a file."""
    found = ast.walk(ast.parse(path.read_text("utf-8")))
    functions = (each for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name for each in functions if each.name.startswith("test_")}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_code_of_a_fault_occurs_once_and_its_tests_exist(mutant: Mutant) -> None:
    assert mutant.applied(ROOT) != (ROOT / mutant.file).read_text("utf-8")
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        found = names_of_tests(ROOT / file)
        assert name in found if name else found


def test_every_fault_has_a_name_of_its_own_and_the_quick_tests_catch_most() -> None:
    assert [name for name, times in Counter(each.name for each in MUTANTS).items() if times > 1] == []
    assert len(MUTANTS) >= 26
    assert sum(not each.thorough for each in MUTANTS) >= 15


@pytest.mark.parametrize("text", ["a b b", "a"])
def test_a_fault_whose_code_has_moved_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "code.py").write_text(text)
    mutant = Mutant("a fault", "code.py", "b", "c", ())
    with pytest.raises(MovedError, match=f"'a fault': code.py has {text.count('b')} times 'b', and not once"):
        mutant.applied(tmp_path)


def test_the_page_lists_every_fault() -> None:
    assert page_table(mutants()) in PAGE.read_text("utf-8"), (
        "run `python -m tests.mutations --table`, and put the table into the page"
    )
