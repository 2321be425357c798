"""A copy of the checkout, in which faults are built in and tests run. The checkout itself stays as it is."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.depth import UNSHRUNK
from tests.mutations.catalogue import ROOT, Mutant

_FAILED = re.compile(r"^(tests/.*::.*?) (?:<- \S+ )?FAILED", re.MULTILINE)
_PASSED = 0
_COMPILE = "import sys, pathlib, hatch_build as b; b.compile_in_place(pathlib.Path.cwd(), [pathlib.Path(sys.argv[1])])"


class UnjudgedError(Exception):
    """The tests neither passed nor failed: a mutant that does not even compile is no mutant."""


@dataclass(frozen=True)
class Verdict:
    """The tests that failed, the seconds, and the last lines of the output."""

    failed: tuple[str, ...]
    seconds: float
    last_lines: str


class Scratch:
    """A copy of the checkout in `folder`, with the bytecode and the compiled modules of the checkout.

    `environment` has further variables for the tests, for example the addresses of servers.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        # Without bytecode every run would compile the program anew.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._environment = {**kept, "PYTHONUNBUFFERED": "1", **environment}
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "build", "dist"))

    @contextmanager
    def fault(self, mutant: Mutant) -> Iterator[None]:
        """Have the fault in the copy for as long as the block lasts. Raises MovedError and UnjudgedError."""
        path = self._folder / mutant.file
        compiled = sorted(path.parent.glob(f"{path.stem}.*.so")) if path.suffix == ".pyx" else []
        path.write_text(mutant.applied(ROOT), "utf-8")
        try:
            if compiled:
                self._compile(mutant.file)
            yield
        finally:
            for each in (path, *compiled):
                shutil.copy2(ROOT / each.relative_to(self._folder), each)

    def run(self, tests: Sequence[str], seconds: float, *options: str) -> Verdict:
        """Run tests one after the other, for at most `seconds`. Raises UnjudgedError without passes and failures."""
        command = [sys.executable, "-m", "pytest", "-v", "-n", "0", "-p", "no:cacheprovider"]
        began = time.monotonic()
        process = subprocess.Popen(
            [*command, "--hypothesis-profile", UNSHRUNK, *options, *tests],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            told, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            told, _ = process.communicate()
        lasted = time.monotonic() - began
        failed = tuple(_FAILED.findall(told))
        last_lines = "\n".join(told.splitlines()[-25:])
        if not failed and process.returncode != _PASSED:
            raise UnjudgedError(f"{last_lines}\nno verdict after {lasted:.0f} s")
        return Verdict(failed, lasted, last_lines)

    def _compile(self, file: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", _COMPILE, str(self._folder / file)],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UnjudgedError(f"{file} does not compile: {done.stderr}")
