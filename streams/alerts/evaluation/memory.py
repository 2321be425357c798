"""A watch's memory as bytes: the streams and the detector, so that a watch goes on although its streams have changed.

The bytes begin with the number of streams, in four bytes. The streams follow, four identifiers each, then the detector,
compressed.
"""

import zlib
from collections.abc import Iterable, Sequence
from uuid import UUID

from streams.alerts.scope import Stream
from streams.domain.change import Scope
from streams.domain.detection.snapshot import SnapshotError

_NOBODY = UUID(int=0)
_IDENTIFIER = 16
_STREAM = 4 * _IDENTIFIER
_COUNT = 4
_FAST = 1


def remember(streams: Sequence[Stream], detector: Iterable[bytes]) -> bytes:
    """Return streams and a detector's snapshot, which comes in parts, as bytes."""
    keys = [
        UUID(each).bytes
        for stream in streams
        for each in (*stream.scope, stream.from_stage, stream.to_stage or str(_NOBODY))
    ]
    packer = zlib.compressobj(_FAST)
    packed = [packer.compress(part) for part in detector]
    return b"".join((len(streams).to_bytes(_COUNT), *keys, *packed, packer.flush()))


def recall(memory: bytes, of_stages: bool) -> tuple[list[Stream], bytes]:
    """Return streams and detector; `of_stages`: streams have no second stage. Raises SnapshotError for other bytes."""
    count = int.from_bytes(memory[:_COUNT])
    end = _COUNT + count * _STREAM
    try:
        detector = zlib.decompress(memory[end:])
    except zlib.error as error:
        raise SnapshotError("the bytes are no memory of a watch") from error
    ids = [str(UUID(bytes=memory[at : at + _IDENTIFIER])) for at in range(_COUNT, end, _IDENTIFIER)]
    streams = [
        Stream(Scope(ids[at], ids[at + 1]), ids[at + 2], None if of_stages else ids[at + 3])
        for at in range(0, len(ids), 4)
    ]
    return streams, detector
