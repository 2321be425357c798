"""Contenders in Python: a module of `bench.contenders`, in an environment of its own where it needs other packages."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contender import ROOT, Course, Peer
from bench.errors import BenchError

CACHE = ROOT / ".bench"


@dataclass
class PythonPeer(Peer):
    """`module` is run with Python; `requirements` names its file in bench/requirements, none: this environment."""

    module: str = ""
    requirements: str | None = None
    runner: Sequence[str] = ()  # what runs the module, where it does not run itself
    arguments: Sequence[str] = ()

    def prepare(self) -> None:
        """Install its packages where they are not; raises BenchError where pip fails."""
        if self.requirements is None:
            return
        wanted = (ROOT / "bench" / "requirements" / f"{self.requirements}.txt").read_text("utf-8")
        stamp = self._home / "installed.txt"
        if stamp.exists() and stamp.read_text("utf-8") == wanted:
            return
        # The environment of the project has no pip; the Python that it was made with has.
        base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
        file = str(ROOT / "bench" / "requirements" / f"{self.requirements}.txt")
        _run([base, "-m", "venv", "--without-pip", "--clear", self._home])
        pip = [base, "-m", "pip", "--python", self._python, "install", "--quiet", "--no-deps"]
        _run([*pip, "--disable-pip-version-check", "-r", file])
        stamp.write_text(wanted, "utf-8")

    def command(self, course: Course) -> list[str | Path]:
        """Return its command line."""
        del course
        return [self._python, "-m", *self.runner, self.module, *self.arguments]

    def environment(self, course: Course) -> dict[str, str]:
        """Return what it reads; PYTHONPATH leads to `bench.contenders`."""
        return {**super().environment(course), "PYTHONPATH": str(ROOT)}

    @property
    def _home(self) -> Path:
        return CACHE / str(self.requirements)

    @property
    def _python(self) -> Path:
        return Path(sys.executable) if self.requirements is None else self._home / "bin" / "python"


def _run(command: Sequence[object]) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"`{' '.join(map(str, command))}` failed: {done.stderr.strip()}")
