"""The folders of the embedded stack's data and downloads on this platform."""

import os
import sys
from pathlib import Path

from streams.errors import PreconditionError


def default_data_dir() -> Path:
    """Return the data folder that `funnelproof local` uses without `--data-dir`."""
    return _folder("XDG_DATA_HOME", ".local/share", "Library/Application Support") / "funnelproof" / "local"


def cache_dir() -> Path:
    """Return the folder of files that can be downloaded or made again at any time."""
    return _folder("XDG_CACHE_HOME", ".cache", "Library/Caches") / "funnelproof"


def make(folder: Path) -> Path:
    """Create the missing folder, for the owner alone; an existing folder stays as found.

    Raises PreconditionError if the folder cannot be created.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PreconditionError(
            f"cannot create {folder} ({error.strerror}): name a writable folder with --data-dir,"
            " and a writable folder for downloads with XDG_CACHE_HOME"
        ) from error
    return folder


def _folder(variable: str, elsewhere: str, on_macos: str) -> Path:
    chosen = os.environ.get(variable, "")
    if Path(chosen).is_absolute():  # the XDG rule: a relative path is ignored
        return Path(chosen)
    return Path.home() / (on_macos if sys.platform == "darwin" else elsewhere)
