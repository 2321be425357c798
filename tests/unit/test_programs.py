"""Forked commands are told apart from commands of a shell by nothing but their speed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import programs
from tests.programs import Program

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FUNNELPROOF_")}
SILENT = ENVIRONMENT | {"FUNNELPROOF_SOURCE_DSN": "postgresql://nobody@127.0.0.1:1/nothing"}


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["--version"], ENVIRONMENT),
        (["connector", "--help"], ENVIRONMENT),
        (["connektor"], ENVIRONMENT),
        (["migrate"], SILENT),
        (["migrate"], ENVIRONMENT | {"FUNNELPROOF_WINDOWS": "3 moons"}),
    ],
    ids=["version", "help", "a misspelt command", "a server that does not answer", "a wrong setting"],
)
def test_status_and_output_are_those_of_a_shell(words: list[str], environment: dict[str, str]) -> None:
    shell = subprocess.run(
        [sys.executable, "-m", "streams", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    forked = programs.run(words, environment)
    assert (forked.returncode, forked.stderr) == (shell.returncode, shell.stderr)
    # The usage line names the program, and has as many spaces as then fit into the line.
    assert forked.stdout.split() == shell.stdout.replace("python -m streams", "funnelproof").split()


def test_a_killed_command_ends_with_its_signal(tmp_path: Path) -> None:
    program = Program(["status", "--watch"], SILENT, tmp_path / "out", tmp_path / "err")
    assert program.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.01)
    program.kill()
    assert program.wait(20) == program.returncode == -signal.SIGKILL
    program.send_signal(signal.SIGTERM)  # the number of the process may be another's by now


def test_a_command_that_takes_too_long_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        programs.run(["status", "--watch"], SILENT, timeout=0.01)


def test_what_python_reads_at_its_start_is_heeded() -> None:
    done = programs.run(["--version"], ENVIRONMENT | {"PYTHONPROFILEIMPORTTIME": "1"})
    assert "import time:" in done.stderr
