"""The demo's temporary data folder, removed at the demo's end, or at the latest by the next demo."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from streams.local.stack import LocalStack

_PREFIX = "funnelproof-demo-"
_OWNER = "owner.lock"
"""The file that the owner locks for life; a folder without the file was not made by a demo."""


@contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Keep an empty folder in `parent` for the length of a `with` block; None: where temporary files are kept.

    The folders of killed owners are removed before.
    """
    parent = parent or Path(tempfile.gettempdir())
    remove_orphans(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with (folder / "unlocked").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "unlocked").rename(folder / _OWNER)  # nobody ever sees an owner file without a lock
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_orphans(parent: Path) -> None:
    """Remove this user's demo folders in `parent` if their owner is dead and their servers have ended."""
    for lock in parent.glob(f"{_PREFIX}*/{_OWNER}"):
        with suppress(OSError):  # the owner lives, or another demo is removing the folder
            if lock.parent.lstat().st_uid == os.geteuid():
                _remove_unless_in_use(lock)


def _remove_unless_in_use(lock: Path) -> None:
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stack = LocalStack(lock.parent, console=Console(quiet=True))
        if not any(server.pid for server in stack.servers):
            stack.erase()
            shutil.rmtree(lock.parent, ignore_errors=True)
