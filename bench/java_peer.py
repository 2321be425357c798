"""Contenders in Java: compiled from `bench/contenders/`, on the jars of their jars.lock."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.contender import ROOT, Course, Peer
from bench.errors import BenchError
from bench.python_peer import CACHE
from streams.local.jars import Jar, JarCache
from streams.local.java import runtime

_SOURCES = ROOT / "bench" / "contenders"
_RELEASE = "17"
_OPTIONS = (
    "-Xmx1g",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Duser.timezone=UTC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


@dataclass
class JavaPeer(Peer):
    """`folder` of bench/contenders has its sources and jars.lock; `main` is its class."""

    folder: str = ""
    main: str = ""
    options: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Fetch the jars and compile where the sources have changed; raises FunnelproofError."""
        sources = sorted([*(_SOURCES / "java").glob("*.java"), *(_SOURCES / self.folder).glob("*.java")])
        known = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
        stamp = self._classes / "sources.sha256"
        class_path = self._class_path()
        if stamp.exists() and stamp.read_text("ascii") == known:
            return
        shutil.rmtree(self._classes, ignore_errors=True)
        self._classes.mkdir(parents=True)
        options: list[str | Path] = [
            "-nowarn",
            "-cp",
            os.pathsep.join(map(str, class_path)),
            "-d",
            self._classes,
        ]
        done = subprocess.run([*_compiler(), *options, *sources], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{self.name} does not compile: {done.stderr.strip() or done.stdout.strip()}")
        stamp.write_text(known, "ascii")

    def command(self, course: Course) -> list[str | Path]:
        """Return its command line."""
        class_path = os.pathsep.join(map(str, [self._classes, *self._class_path()]))
        scratch = f"-Djava.io.tmpdir={course.folder}"  # native libraries are unpacked there
        return [runtime(), *_OPTIONS, *self.options, scratch, "-cp", class_path, self.main]

    def _class_path(self) -> list[Path]:
        return _jars(self.folder).class_path()

    @property
    def _classes(self) -> Path:
        return CACHE / self.name / "classes"


def _jars(folder: str) -> JarCache:
    lines = (_SOURCES / folder / "jars.lock").read_text("utf-8").splitlines()
    return JarCache([Jar.parse(line) for line in lines if line and not line.startswith("#")])


def _compiler() -> list[str | Path]:
    """Return javac where there is one, else the Eclipse compiler, which needs no JDK."""
    if javac := shutil.which("javac"):
        return [javac, "--release", _RELEASE]
    jars = os.pathsep.join(map(str, _jars("java").class_path()))
    return [runtime(), "-cp", jars, "org.eclipse.jdt.internal.compiler.batch.Main", f"-{_RELEASE}"]
