"""Loopback ports, chosen once and kept in a file: addresses survive a restart."""

import json
from pathlib import Path

from streams.listening import HOST, free_ports, is_free

__all__ = ["HOST", "claim", "read"]


def claim(file: Path, count: int) -> list[int]:
    """Return the `count` ports kept in `file`; choose and keep new ports if another program uses a kept port.

    Raises PreconditionError if too few ports are free.
    """
    kept = read(file)
    if len(kept) != count or not all(map(is_free, kept)):
        kept = free_ports(count)
        file.write_text(json.dumps(kept), "utf-8")
    return kept


def read(file: Path) -> list[int]:
    """Return the ports kept in `file`; an empty list before the first choice."""
    return [int(port) for port in json.loads(file.read_text("utf-8"))] if file.exists() else []
