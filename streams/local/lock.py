"""Writes jars.lock anew from pom.xml: `python -m streams.local.lock`, where Maven is installed."""

import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

from streams.local.jars import Jar

_HERE = Path(__file__).parent
_HEADER = """\
# The jars of the embedded Kafka and Kafka Connect: group:artifact:version, bytes, SHA-256.
# Made from pom.xml by `python -m streams.local.lock`; do not edit.
"""


def lock(pom: Path = _HERE / "pom.xml") -> list[Jar]:
    """Let Maven resolve `pom` into the local repository, and return the chosen jars, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = Path(folder) / "chosen"
        goal = ["dependency:list", f"-DoutputFile={chosen}", "-DoutputAbsoluteArtifactFilename=true"]
        subprocess.run(["mvn", "-q", "-f", pom, *goal], check=True)  # noqa: S603, S607 - a developer's tool
        found = re.findall(r"(\S+):(\S+):jar:(\S+):\w+:(/\S+\.jar)", chosen.read_text("utf-8"))
    jars = []
    for group, artifact, version, file in found:
        content = Path(file).read_bytes()
        jars.append(Jar(group, artifact, version, len(content), hashlib.sha256(content).hexdigest()))
    return sorted(jars, key=str)


if __name__ == "__main__":
    (_HERE / "jars.lock").write_text(_HEADER + "".join(f"{jar}\n" for jar in lock()), "utf-8")
