"""A watch's memory as bytes: the streams and the detector, so that a watch goes on although its streams have changed.

The bytes begin with the number of streams, in four bytes. The streams follow, four identifiers each, then the detector,
compressed. The bytes are stored in parts: the memory of many streams is large, and no process has the whole twice.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from gzip import GzipFile
from io import BufferedReader, BytesIO, RawIOBase
from sys import intern
from typing import TYPE_CHECKING, BinaryIO, cast
from uuid import UUID

from streams.alerts.scope import Stream
from streams.domain.change import Scope
from streams.domain.detection.snapshot import SnapshotError
from streams.resources import sql
from streams.store.database import Connection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PART = 4_000_000
"""Bytes from which on a part is stored."""
_NOBODY = UUID(int=0)
_IDENTIFIER = 16
_STREAM = 4 * _IDENTIFIER
_COUNT = 4
_FAST = 1
_MAGIC = b"\x1f\x8b"
"""The beginning of everything that gzip packs."""

PlaceKey = tuple[str, str, str]
"""Rule, kind of window and tiling of a watch."""


async def keep(connection: Connection, place: PlaceKey, memory: Iterator[bytes]) -> None:
    """Store the parts of a memory instead of the memory before. The parts are made in a thread."""
    await connection.execute(sql("queries/alerts/memory_forget"), *place)
    number = 0
    while (part := await asyncio.to_thread(next, memory, None)) is not None:
        await connection.execute(sql("queries/alerts/memory_note"), *place, number, part)
        number += 1
    await connection.execute(sql("queries/alerts/cursor_remember"), *place)


async def kept(connection: Connection, place: PlaceKey) -> deque[bytes]:
    """Return the parts of the memory that was stored last; none before the first close."""
    return deque(row[0] for row in await connection.fetch(sql("queries/alerts/memory"), *place))


def remember(streams: Sequence[Stream], detector: Iterable[bytes]) -> Iterator[bytes]:
    """Yield streams and a detector's snapshot as bytes, in parts."""
    file = BytesIO()
    file.write(len(streams).to_bytes(_COUNT))
    for stream in streams:
        identifiers = (*stream.scope, stream.from_stage, stream.to_stage or str(_NOBODY))
        file.writelines(UUID(each).bytes for each in identifiers)
    with GzipFile(fileobj=file, mode="wb", compresslevel=_FAST, mtime=0) as packed:
        for some in detector:
            packed.write(some)
            if file.tell() >= PART:
                yield file.getvalue()
                file.seek(0)
                file.truncate()
    yield file.getvalue()


def recall(memory: deque[bytes], of_stages: bool) -> tuple[list[Stream], BinaryIO]:
    """Return the streams, and a file with the detector; `of_stages`: streams have no second stage.

    The parts of the memory are forgotten as they are read. Raises SnapshotError for bytes of another kind.
    """
    file = BufferedReader(_Parts(memory))
    keys = file.read(int.from_bytes(file.read(_COUNT)) * _STREAM)
    if file.peek(len(_MAGIC))[: len(_MAGIC)] != _MAGIC:
        raise SnapshotError("the bytes are no memory of a watch")
    ids = [intern(str(UUID(bytes=keys[at : at + _IDENTIFIER]))) for at in range(0, len(keys), _IDENTIFIER)]
    streams = [
        Stream(Scope(ids[at], ids[at + 1]), ids[at + 2], None if of_stages else ids[at + 3])
        for at in range(0, len(ids), 4)
    ]
    return streams, cast("BinaryIO", GzipFile(fileobj=file))


class _Parts(RawIOBase):
    """Parts of bytes as a file; a part that was read is forgotten."""

    def __init__(self, parts: deque[bytes]) -> None:
        super().__init__()
        self._parts = parts
        self._part = BytesIO()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not (count := self._part.readinto(buffer)) and self._parts:
            self._part = BytesIO(self._parts.popleft())
        return count
