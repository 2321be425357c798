"""No command waits for the import of what only another command needs."""

import subprocess
import sys

import pytest

HEAVY = {"apprise", "fastapi", "faust", "numpy", "uvicorn"}
"""Each takes from a tenth of a second to half a second."""


@pytest.mark.parametrize(
    ("imported", "needed"),
    [
        ("streams.cli.main", set()),
        ("streams.cli.main, streams.app, streams.worker, streams.operations.site", {"faust"}),
    ],
    ids=["every command", "a worker"],
)
def test_a_command_imports_what_it_needs(imported: str, needed: set[str]) -> None:
    program = f"import sys, {imported}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == needed
