"""Writes the jars.lock beside each contender's pom.xml anew: `python -m bench.lock`, where Maven is installed."""

from pathlib import Path

from streams.local.lock import lock

_HEADER = """\
# Jars for the benchmark: group:artifact:version, bytes, SHA-256.
# Made from pom.xml by `python -m bench.lock`; do not edit.
"""

if __name__ == "__main__":
    for pom in sorted(Path(__file__).parent.glob("contenders/*/pom.xml")):
        pom.with_name("jars.lock").write_text(_HEADER + "".join(f"{jar}\n" for jar in lock(pom)), "utf-8")
