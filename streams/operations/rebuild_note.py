"""The note of a rebuild that has begun and not ended: a file by which a killed rebuild goes on."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from streams.settings import Settings


@dataclass(frozen=True)
class RebuildNote:
    """A rebuild under way: its beginning, and the id of the new log's topic once `connector apply` has ended."""

    begun_at: datetime
    topic_id: str | None = None


def _file(settings: Settings) -> Path:
    return settings.state_dir / settings.instance / "rebuild.json"


def read_note(settings: Settings) -> RebuildNote | None:
    """Return the note of a rebuild that has not ended; None if there is none, or if the file cannot be read."""
    try:
        return msgspec.json.decode(_file(settings).read_bytes(), type=RebuildNote)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def keep_note(settings: Settings, note: RebuildNote) -> None:
    """Write the note: a kill leaves the former note, or the new note."""
    file = _file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as written:
        written.write(msgspec.json.encode(note))
        written.flush()
        os.fsync(written.fileno())
    fresh.replace(file)


def forget_note(settings: Settings) -> None:
    """Remove the note: the rebuild has ended."""
    _file(settings).unlink(missing_ok=True)
