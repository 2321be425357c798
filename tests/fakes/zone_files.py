"""Zone files, as tzdata installs them, with whatever changes of the clocks."""

import struct
from datetime import datetime


def zone_file(*changes: tuple[datetime, int], first: int = 3600) -> bytes:
    """A zone file in which the offset is `first` seconds, and that many seconds from each of the instants on."""
    version = b"TZif2" + bytes(15)
    count = struct.pack(">6l", 0, 0, 0, len(changes), 1 + len(changes), 4)
    instants = b"".join(struct.pack(">q", int(at.timestamp())) for at, _ in changes)
    kinds = bytes(range(1, 1 + len(changes)))
    offsets = b"".join(
        struct.pack(">lbb", offset, 0, 0) for offset in (first, *(each[1] for each in changes))
    )
    empty = version + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 0, 0, 0) + b"ABC\0"
    return empty + version + count + instants + kinds + offsets + b"ABC\0" + b"\n\n"
