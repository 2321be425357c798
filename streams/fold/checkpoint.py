"""Checkpoints: files with the states of partitions, after which a restart replays minutes of log instead of years.

A checkpoint is a shorter way to an equal state, never a source of its own. A worker leaves a torn file, or a file of a
foreign epoch, partition or format, alone with a warning, and replays the log from the beginning.
"""

import contextlib
import os
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from streams.domain.change import Scope
from streams.domain.profile import Profile
from streams.domain.snapshot import CellProfiles, Snapshot
from streams.errors import PreconditionError

log = structlog.get_logger(__name__)

_MAGIC = b"funnelproof checkpoint 2\n"
_ID = 16
_DIGEST = 16


@dataclass(frozen=True)
class Checkpoint:
    """A snapshot, and the keys of rows whose last event could not be applied (`poisoned`)."""

    snapshot: Snapshot
    poisoned: frozenset[bytes]


class _Header(msgspec.Struct, array_like=True):
    epoch: UUID
    partition: int
    position: int
    scopes: list[tuple[str, str]]
    stages: list[str]
    cells: list[tuple[int, str, int, int, dict[int, bytes]]]
    poisoned: list[bytes]
    deals: int


class _UnusableError(Exception):
    """The checkpoint cannot be used; the message gives the reason."""


def prepare_folder(folder: Path) -> None:
    """Make the folder and write a probe; raises PreconditionError if the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(_MAGIC)
    except OSError as error:
        raise PreconditionError(
            f"the folder {folder} cannot be written ({error.strerror}): set FUNNELPROOF_STATE_DIR to one that can"
        ) from error


class Checkpoints:
    """The checkpoints of an epoch in a folder, a file per partition. Workers on a machine may share the folder."""

    def __init__(self, folder: Path, epoch: UUID) -> None:
        self._folder = folder
        self._epoch = epoch

    def write(self, partition: int, checkpoint: Checkpoint) -> bool:
        """Replace the partition's checkpoint atomically; on failure log a warning and return False."""
        path = self.path(partition)
        fresh = path.with_suffix(f".{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                digest = blake2b(digest_size=_DIGEST)
                for part in self._parts(partition, checkpoint):
                    digest.update(part)
                    file.write(part)
                file.write(digest.digest())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            self._remove_unfinished(path)
        except OSError as error:
            log.warning(
                "checkpoint not written: make room in FUNNELPROOF_STATE_DIR, and let the worker write there; "
                "nothing is lost, but a restart replays more",
                path=str(path),
                error=error.strerror,
            )
            with contextlib.suppress(OSError):
                fresh.unlink()
            return False
        return True

    def read(self, partition: int) -> Checkpoint | None:
        """Return the partition's checkpoint; None if the checkpoint is missing or unusable."""
        path = self.path(partition)
        try:
            return self._parse(partition, path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, _UnusableError) as error:
            log.warning("checkpoint not used; replaying the log instead", path=str(path), reason=str(error))
            return None

    def _remove_unfinished(self, path: Path) -> None:
        """Remove unfinished files of killed workers. A living worker that is just writing merely loses a checkpoint."""
        for other in path.parent.glob(f"{path.stem}.*"):
            if other != path:
                with contextlib.suppress(OSError):
                    other.unlink()

    def path(self, partition: int) -> Path:
        """Return the path of the partition's checkpoint."""
        return self._folder / f"partition-{partition}.checkpoint"

    def _parts(self, partition: int, checkpoint: Checkpoint) -> Iterator[bytes]:
        snapshot = checkpoint.snapshot
        header = msgspec.msgpack.encode(
            _Header(
                self._epoch,
                partition,
                snapshot.position,
                [tuple(scope) for scope in snapshot.scopes],  # type: ignore[misc]  # a Scope is a pair of texts
                list(snapshot.stages),
                [(*cell[:4], _written(cell.profiles)) for cell in snapshot.cells],
                list(checkpoint.poisoned),
                len(snapshot.deals),
            )
        )
        yield _MAGIC
        yield len(header).to_bytes(8, "little")
        yield header
        yield b"".join(snapshot.deals)
        yield array("I", map(len, snapshot.deals.values())).tobytes()
        yield b"".join(snapshot.deals.values())

    def _parse(self, partition: int, content: bytes) -> Checkpoint:
        if not content.startswith(_MAGIC):
            raise _UnusableError("it has another format")
        if blake2b(memoryview(content)[:-_DIGEST], digest_size=_DIGEST).digest() != content[-_DIGEST:]:
            raise _UnusableError("it is torn")
        begin = len(_MAGIC) + 8
        end = begin + int.from_bytes(content[len(_MAGIC) : begin], "little")
        header = msgspec.msgpack.decode(content[begin:end], type=_Header)
        if (header.epoch, header.partition) != (self._epoch, partition):
            raise _UnusableError("it is of another topic, of other windows or of another partition")
        return Checkpoint(
            Snapshot(
                header.position,
                tuple(Scope(*scope) for scope in header.scopes),
                tuple(header.stages),
                _deals(content, end, header.deals),
                [CellProfiles(*cell[:4], _read(cell[4])) for cell in header.cells],
            ),
            frozenset(header.poisoned),
        )


def _written(profiles: Mapping[int, Profile]) -> dict[int, bytes]:
    """Return profiles as bytes: msgpack has integers of 64 bits at most."""
    return {
        number: profile.to_bytes((profile.bit_length() + 7) // 8, "little")
        for number, profile in profiles.items()
    }


def _read(profiles: Mapping[int, bytes]) -> dict[int, Profile]:
    return {number: int.from_bytes(profile, "little") for number, profile in profiles.items()}


def _deals(content: bytes, begin: int, count: int) -> dict[bytes, bytes]:
    lengths = array("I")
    place = begin + count * (_ID + lengths.itemsize)
    lengths.frombytes(content[begin + count * _ID : place])
    deals = {}
    for number, length in enumerate(lengths):
        key = begin + number * _ID
        deals[content[key : key + _ID]] = content[place : place + length]
        place += length
    return deals
