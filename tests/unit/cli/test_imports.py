"""No command waits for the import of what only another command needs."""

import subprocess
import sys

from tests.programs import untraced

HEAVY = {"apprise", "fastapi", "faust", "numpy", "uvicorn"}
"""Each takes from a tenth of a second to half a second."""


PROGRAM = """
import sys, streams.cli.main
print(*sys.modules)
import streams.app, streams.worker, streams.operations.site
print(*sys.modules)
"""


def test_a_command_imports_what_it_needs_and_a_worker_no_more_than_faust() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=untraced(), capture_output=True, text=True, check=True
    )
    command, worker = [HEAVY & set(line.split()) for line in done.stdout.splitlines()]
    assert command == set()
    assert worker == {"faust"}
