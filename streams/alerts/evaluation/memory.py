"""A watch's memory as bytes: the streams and the detector, so that a watch goes on although its streams have changed.

The bytes begin with the number of streams, in four bytes. The streams follow, four identifiers each, then the detector,
compressed.
"""

from collections.abc import Iterable, Sequence
from gzip import GzipFile
from io import BytesIO
from typing import BinaryIO, cast
from uuid import UUID

from streams.alerts.scope import Stream
from streams.domain.change import Scope
from streams.domain.detection.snapshot import SnapshotError

_NOBODY = UUID(int=0)
_IDENTIFIER = 16
_STREAM = 4 * _IDENTIFIER
_COUNT = 4
_FAST = 1
_MAGIC = b"\x1f\x8b"
"""The beginning of everything that gzip packs."""


def remember(streams: Sequence[Stream], detector: Iterable[bytes]) -> bytes:
    """Return streams and a detector's snapshot, which comes in parts, as bytes."""
    keys = [
        UUID(each).bytes
        for stream in streams
        for each in (*stream.scope, stream.from_stage, stream.to_stage or str(_NOBODY))
    ]
    file = BytesIO()
    file.writelines((len(streams).to_bytes(_COUNT), *keys))
    with GzipFile(fileobj=file, mode="wb", compresslevel=_FAST, mtime=0) as packed:
        packed.writelines(detector)
    return file.getvalue()


def recall(memory: bytes, of_stages: bool) -> tuple[list[Stream], BinaryIO]:
    """Return the streams, and a file with the detector; `of_stages`: streams have no second stage.

    Raises SnapshotError for bytes of another kind.
    """
    count = int.from_bytes(memory[:_COUNT])
    end = _COUNT + count * _STREAM
    if memory[end : end + len(_MAGIC)] != _MAGIC:
        raise SnapshotError("the bytes are no memory of a watch")
    file = BytesIO(memory)
    file.seek(end)
    ids = [str(UUID(bytes=memory[at : at + _IDENTIFIER])) for at in range(_COUNT, end, _IDENTIFIER)]
    streams = [
        Stream(Scope(ids[at], ids[at + 1]), ids[at + 2], None if of_stages else ids[at + 3])
        for at in range(0, len(ids), 4)
    ]
    return streams, cast("BinaryIO", GzipFile(fileobj=file))
