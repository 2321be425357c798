"""Every command that the documentation names can be run as it is written there."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
from typer.main import get_command

from bench.cli import bench
from streams.cli.main import app
from tests.chaos.__main__ import main as chaos
from tests.unit.deploy.containers import services
from tests.unit.docs.pages import PAGES, ROOT, console_lines, inline_code, name_of

MAKE_TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
INLINE = re.compile(r"(?:make|funnelproof) [a-z-].*")
OUTSIDE = ("curl", "export", "pip", "psql")


def group_of(command: Callable[..., None]) -> Any:  # noqa: ANN401 - typer's own copy of click has no public types
    single = typer.Typer()
    single.command()(command)
    return get_command(single)


@cache
def funnelproof() -> Any:  # noqa: ANN401 - see group_of
    """Return the command with all its commands; made once, as that takes 50 ms."""
    return get_command(app)


ARGUMENTS = {"bench": group_of(bench), "chaos": group_of(chaos), "demo": funnelproof().commands["demo"]}


def wrong_option(words: Sequence[str], *, complete: bool) -> str | None:
    """Say what `funnelproof` would not understand; with `complete`, what it would miss, too."""
    command = funnelproof()
    words = list(words)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        found = command.commands.get(words[0])
        if found is None:
            return f"no command {words[0]}"
        command = found
        words.pop(0)
    return unknown_to(command, words, complete=complete)


def unknown_to(command: Any, words: Sequence[str], *, complete: bool) -> str | None:  # noqa: ANN401 - see group_of
    known = {"--help", *(option for param in command.params for option in param.opts)}
    if strange := [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]:
        return f"no option {' '.join(strange)}"
    if complete and not hasattr(command, "commands"):
        try:
            command.make_context(command.name, list(words))
        except typer.TyperException as error:
            return error.format_message()
    return None


def wrong(line: str, *, complete: bool = False) -> str | None:
    """Say why a line cannot be run; None where it can."""
    words = shlex.split(re.sub(r"\$(TENANT|PIPELINE)\b", str(UUID(int=0)), line), comments=True)
    program = Path(words[0]).name
    if program == "make":
        return wrong_make(words[1:])
    if program == "funnelproof":
        return wrong_option(words[1:], complete=complete)
    if program == "eval":
        return wrong(next(alternatives(line)), complete=complete)
    if program == "python":
        return wrong_python(words[1:])
    if program == "docker":
        return wrong_docker(words[1:])
    return None if program in OUTSIDE else f"no test knows {program}"


def wrong_python(words: Sequence[str]) -> str | None:
    if words[0] == "-m":
        module = ROOT / Path(*words[1].split("."))
        return None if module.is_dir() or module.with_suffix(".py").exists() else f"no module {words[1]}"
    if words[0] == "-c":
        done = subprocess.run([sys.executable, "-c", words[1]], capture_output=True, check=False)
        return None if done.returncode == 0 and done.stdout else "prints nothing"
    return None if words[0].endswith(".py") else f"no test knows {words[0]}"  # a file that the page has


def wrong_docker(words: Sequence[str]) -> str | None:
    """Look at profiles and services of docker-compose.yml, and at the command that a container is to run."""
    if words[0] == "compose":
        profiles = {each for service in services().values() for each in service.get("profiles", [])}
        named = {words[at + 1] for at, word in enumerate(words) if word == "--profile"}
        if strange := named - profiles:
            return f"no profile {' '.join(strange)}"
    if "run" not in words:
        return None
    name, *command = [word for word in words[words.index("run") + 1 :] if word != "--rm"]
    if words[0] == "compose" and name not in services():
        return f"no service {name}"
    return wrong_option(command, complete=True)


def wrong_make(words: Sequence[str]) -> str | None:
    target, *settings = words
    if target not in MAKE_TARGETS:
        return f"no target {target}"
    for setting in settings:
        arguments = shlex.split(setting.removeprefix("ARGS="))
        if target in ARGUMENTS:
            if problem := unknown_to(ARGUMENTS[target], arguments, complete=True):
                return problem
        elif missing := [each for each in arguments if "/" in each and not (ROOT / each).exists()]:
            return f"no {' '.join(missing)}"
    return None


def alternatives(code: str) -> Iterator[str]:
    """Yield `local up`, `local down` for `local up|down`; and commands within `eval "$(...)"`."""
    code = re.sub(r".*\$\((.*)\).*", r"\1", code)
    if INLINE.fullmatch(code):
        first, *rest = re.split(r"\|(?=\w+)", code)
        yield first
        yield from (f"{first.rpartition(' ')[0]} {other}" for other in rest)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_a_console_block_exists_with_its_options(page: Path) -> None:
    problems = {line: wrong(line, complete=True) for line in console_lines(page)}
    assert {line: problem for line, problem in problems.items() if problem} == {}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_named_in_passing_exists_with_its_options(page: Path) -> None:
    problems = {line: wrong(line) for code in inline_code(page) for line in alternatives(code)}
    assert {line: problem for line, problem in problems.items() if problem} == {}


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert app(["--version"], standalone_mode=False) == 0
    assert capsys.readouterr().out == f"funnelproof {project['version']}\n"
