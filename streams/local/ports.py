"""Loopback ports, chosen once and kept in a file: addresses survive a restart."""

import json
import random
import socket
from pathlib import Path

from streams.errors import PreconditionError

HOST = "127.0.0.1"
# Below the range of ports that Linux and macOS give to outgoing connections. A client that keeps trying to reach a
# stopped server could otherwise be given the server's own port as its outgoing port, and would connect to itself.
_RANGE = range(20_000, 32_000)


def claim(file: Path, count: int) -> list[int]:
    """Return the `count` ports kept in `file`; choose and keep new ports if another program uses a kept port.

    Raises PreconditionError if too few ports are free.
    """
    kept = read(file)
    if len(kept) != count or not all(map(_free, kept)):
        choice = random.SystemRandom()
        free = (port for port in choice.sample(_RANGE, 1_000) if _free(port))
        kept = [port for port, _ in zip(free, range(count), strict=False)]
        if len(kept) < count:
            raise PreconditionError(
                f"no free port between {_RANGE.start} and {_RANGE.stop}: end a program that listens on one of them"
            )
        file.write_text(json.dumps(kept), "utf-8")
    return kept


def read(file: Path) -> list[int]:
    """Return the ports kept in `file`; an empty list before the first choice."""
    return [int(port) for port in json.loads(file.read_text("utf-8"))] if file.exists() else []


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # Closed connections of a past run do not occupy the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
